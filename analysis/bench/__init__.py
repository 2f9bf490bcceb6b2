"""`spillover bench`: how fast this is, beside what the machine can do and beside other programs.

A subject is a file with a function `measure(sizes, session)` that yields `Figure`s. What is compared
is done in turns, in the same process and the same minutes, and each ratio comes from pairs: on a
machine that others use too, a time alone says little.

    measuring    samples, turns, ratios of pairs, the two yardsticks
    inside       what of the model is looked at, and what its memory traffic comes to
    residents    the residents' hour at four sizes, beside the memory bound
    theatre      the rest of the hour, and a whole run by phase
    startup      the command, from the shell's prompt
    sweep        runs a second, on one worker and on two
    peers        Epstein's rule beside Mesa's own example
    countries    two countries at 1:1, a month of hours
    draws        what keyed draws buy against plain same-seed pairing
    dashboard    how soon the page is there and answers, and what it holds on to
    modes        whether outcomes have one mode
    report       the page and the JSON
    history      earlier benchmarks, and whether this one is slower
"""
