"""Parts of the search for the smallest change that reaches a goal (see `counterfactual`).

`goal` says what is wanted, `question` asks the predictor, `ground` says where answers may lie;
`starts`, `gradient`, `moves`, `pairs` and `descent` find answers, `polish` makes them small,
`alternatives` finds different ones, `blocking` says what stands in the way, `words` tells it.
"""
