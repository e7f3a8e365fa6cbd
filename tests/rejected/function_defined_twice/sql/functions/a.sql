create function half(x double) returns double as x / 2;
create function twice(x double) returns double as x * 2
