create macro half(x) as x / 2
