create function half(x double) as x / 2
