-- functions.shares: shares, and how sure they are at 95 % (z = 1.959963984540054).
create function share(hits bigint, n bigint) returns double
as cast(hits as double) / n;

-- Interval of one share by Wilson (1927), multiplied out: (h + z²/2 ± z·√(h·(n − h)/n + z²/4)) / (n + z²).
create function wilson_low(hits bigint, n bigint) returns double
as greatest(
    (hits + 1.920729410347062 - 1.959963984540054 * sqrt(share(hits, n) * (n - hits) + 0.960364705173531))
        / (n + 3.841458820694124),
    cast(0 as double));

create function wilson_high(hits bigint, n bigint) returns double
as least(
    (hits + 1.920729410347062 + 1.959963984540054 * sqrt(share(hits, n) * (n - hits) + 0.960364705173531))
        / (n + 3.841458820694124),
    cast(1 as double));

-- Interval of the difference of two shares by Newcombe (1998, method 10), from Wilson's intervals of both.
create function newcombe_low(hits bigint, n bigint, other_hits bigint, other_n bigint) returns double
as share(hits, n) - share(other_hits, other_n) - sqrt(
    power(share(hits, n) - wilson_low(hits, n), 2) + power(wilson_high(other_hits, other_n) - share(other_hits, other_n), 2));

create function newcombe_high(hits bigint, n bigint, other_hits bigint, other_n bigint) returns double
as share(hits, n) - share(other_hits, other_n) + sqrt(
    power(wilson_high(hits, n) - share(hits, n), 2) + power(share(other_hits, other_n) - wilson_low(other_hits, other_n), 2));
