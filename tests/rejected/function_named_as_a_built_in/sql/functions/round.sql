create function round(x double) returns double as x
