create function fac(n bigint) returns bigint as if(n < 2, 1, n * fac(n - 1));
create function ping(n bigint) returns bigint as pong(n);
create function pong(n bigint) returns bigint as ping(n)
