create function half(x) returns double as x / 2
