create function net(amount decimal(12, 2)) returns decimal(12, 2)
as cast(amuont / 1.25 as decimal(12, 2))
