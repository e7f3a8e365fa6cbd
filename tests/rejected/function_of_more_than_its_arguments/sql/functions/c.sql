create function share(amount double) returns double as amount / sum(amount)
