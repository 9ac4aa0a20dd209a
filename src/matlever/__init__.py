"""matlever."""
