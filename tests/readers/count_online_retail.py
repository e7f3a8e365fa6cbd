"""Counts the daily files named with DuckDB's own CSV reader: day, country, lines, customers, revenue; CSV to stdout."""

import sys

import duckdb

rows = duckdb.sql(
    """
    select cast(InvoiceDate as date), Country, count(*), count(distinct CustomerID),
           cast(sum(Quantity * UnitPrice) as decimal(38, 3))
    from read_csv($files, header = true, auto_detect = false, delim = ',', quote = '"',
                  columns = {InvoiceNo: 'varchar', StockCode: 'varchar', Description: 'varchar', Quantity: 'integer',
                             InvoiceDate: 'timestamp', UnitPrice: 'decimal(12, 3)', CustomerID: 'varchar',
                             Country: 'varchar'})
    group by all order by all
    """,
    params={"files": sys.argv[1:]},
).fetchall()
for row in rows:
    print(",".join(str(value) for value in row))
