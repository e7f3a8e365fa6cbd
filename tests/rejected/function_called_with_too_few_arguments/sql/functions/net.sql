create function net(amount decimal(12, 2), rate decimal(4, 2)) returns decimal(12, 2)
as cast(amount / (1 + rate / 100) as decimal(12, 2))
