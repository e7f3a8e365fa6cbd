create function half(x double) returns double as x * 0.5
