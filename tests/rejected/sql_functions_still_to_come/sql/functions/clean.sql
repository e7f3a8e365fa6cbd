create function clean(x varchar) as trim(x)
