"""Parts of the search for the smallest change that reaches a goal (see `counterfactual`).

`goal` says what is wanted, `question` asks the predictor, `ground` says where answers may lie,
`limits` and `prepare` what is known before. `starts`, `gradient`, `moves`, `pairs`, `program` and
`descent` find answers, led by `search`; `polish` makes them small, `alternatives` finds different
ones, `blocking` says what stands in the way, `answers` puts them together; `words`, `bars` and
`warn` tell it.
"""
