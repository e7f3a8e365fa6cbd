create function gross(amount double) returns double as amount * $rate
