-- silver.theme_words: one row per word that gives a text a theme, in Swedish, Norwegian and Danish.
-- Words are parts of words, in small letters: `retur` is in `returnering` too.
select theme, word
from (values
    ('delivery', 'paket'), ('delivery', 'pakke'), ('delivery', 'levering'), ('delivery', 'sporing'),
    ('delivery', 'tre veckor'), ('delivery', 'ikke kommet'), ('delivery', 'leverans'),
    ('return', 'retur'), ('return', 'lämna tillbaka'), ('return', 'byta storlek'), ('return', 'størrelse'),
    ('payment', 'faktura'), ('payment', 'betalat'), ('payment', 'beløbet'), ('payment', 'beløpet'),
    ('price', 'dyrt'), ('price', 'klubbpris'), ('price', 'rabatt'), ('price', 'tilbud'),
    ('product', 'gick sönder'), ('product', 'i stykker'), ('product', 'røk'), ('product', 'virker slet ikke'),
    ('product', 'kvalitet'), ('product', 'pannlampa'), ('product', 'sortiment'), ('product', 'utsolgt'),
    ('account', 'logga in'), ('account', 'lösenord'), ('account', 'passord'), ('account', 'kodeord'),
    ('loyalty', 'poäng'), ('loyalty', 'poeng'), ('loyalty', 'mine point'),
    ('service', 'service'), ('service', 'ingen svarar'), ('service', 'personal'), ('service', 'snabb hjälp'),
    ('service', 'nöjd med hjälpen'), ('service', 'sint'),
    ('address', 'adressen'), ('address', 'flytt')
) as words (theme, word)
