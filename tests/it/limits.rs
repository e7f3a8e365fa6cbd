//! What a statement may ask for: too deep, too long, too large is refused or fails, and never ends the process.

use std::fs;

use crate::sandbox::{Sandbox, steady};

fn numbers() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        ("pipelines/shop.yaml", "steps:\n  - sql: silver/*\n"),
        ("seeds/ref/numbers.csv", "n\n1\n2\n3\n"),
        (
            "schemas/ref/numbers.yaml",
            "columns:\n  - {name: n, data_type: bigint}\n",
        ),
        (
            "sql/silver/numbers.sql",
            "-- silver.numbers: one row per number.\nselect n from ref.numbers\n",
        ),
    ])
}

/// `count` parts, of which each `{}` is its number, joined.
fn joined(part: &str, by: &str, count: usize) -> String {
    let parts = (0..count).map(|i| part.replace("{}", &i.to_string()));
    parts.collect::<Vec<_>>().join(by)
}

#[test]
fn a_statement_that_is_too_deep_or_too_long_is_refused_wherever_it_stands() {
    let shop = numbers();
    let nested = |open: &str, close: &str| {
        format!("select {}1{} as a", open.repeat(3_000), close.repeat(3_000))
    };
    let too_large = [
        format!(
            "select {} as a from silver.numbers",
            joined("n", " + ", 20_000)
        ),
        format!(
            "select {} as a from silver.numbers",
            joined("cast(n as varchar)", " || ", 20_000)
        ),
        format!(
            "select n from silver.numbers where {}",
            joined("n = {}", " or ", 20_000)
        ),
        format!(
            "select n from silver.numbers where {}",
            joined("n <> {}", " and ", 20_000)
        ),
        format!("select 1{} as a", "::integer".repeat(20_000)),
        nested("(", ")"),
        nested("abs(", ")"),
        nested("case when true then 0 else ", " end"),
        nested("not ", ""),
        nested("- ", ""),
        nested("[", "]"),
        format!(
            "select {}1{} as a",
            "(select ".repeat(3_000),
            ")".repeat(3_000)
        ),
        format!(
            "select * from {}silver.numbers{}",
            "(select * from ".repeat(3_000),
            ")".repeat(3_000)
        ),
        joined("select {} as a", " union all ", 3_000),
        format!(
            "with c0 as (select n from silver.numbers), {} select n from c24",
            joined("c{}", ", ", 25)
                .split(", ")
                .skip(1)
                .enumerate()
                .map(|(i, name)| format!(
                    "{name} as (select a.n from c{i} a join c{i} b on a.n = b.n)"
                ))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    ];
    shop.kilde(&["build"]).ended(0);
    for (at, sql) in too_large.iter().enumerate() {
        // longer ones are no argument of a command
        if sql.len() < 100_000 {
            let said = shop.kilde(&["query", sql]).ended(2);
            let shown: String = sql.chars().take(60).collect();
            assert!(
                said.stderr.contains("error[K0319]"),
                "{shown}: {}",
                said.stderr
            );
        }
        shop.write(
            &format!("sql/silver/large_{at}.sql"),
            format!("-- silver.large_{at}: too large.\n{sql}\n"),
        );
    }
    for command in ["check", "plan", "build"] {
        let said = shop.kilde(&[command]).ended(2);
        for at in 0..too_large.len() {
            let file = format!("sql/silver/large_{at}.sql:");
            let mut errors = said.stderr.split("error[").skip(1);
            assert!(
                errors.any(|error| error.starts_with("K0319") && error.contains(&file)),
                "{command} {file} {}",
                said.stderr
            );
        }
    }
    for at in 0..too_large.len() {
        fs::remove_file(shop.path(&format!("sql/silver/large_{at}.sql"))).unwrap();
    }
    shop.write(
        "sql/silver/large.sql",
        "-- silver.large: one row.\nselect 1 as a\n",
    );
    let deep = joined("1", " + ", 20_000);
    let function = format!("create function large(a bigint) returns bigint as {deep};\n");
    shop.write("sql/functions/large.sql", &function);
    let said = shop.kilde(&["check"]).ended(2);
    assert!(said.stderr.contains("error[K0319]"), "{}", said.stderr);
    shop.write("sql/functions/large.sql", function.replace(&deep, "a"));
    let condition = joined("n = {}", " or ", 20_000);
    for test in [
        format!("  - sql: select n from silver.numbers where {condition}\n"),
        format!("  - unique: {{columns: [n], where: \"{condition}\"}}\n"),
    ] {
        shop.write(
            "schemas/silver/numbers.yaml",
            format!("data_tests:\n{test}"),
        );
        let said = shop.kilde(&["check"]).ended(2);
        assert!(said.stderr.contains("error[K0319]"), "{}", said.stderr);
    }
}

#[test]
fn what_is_within_the_limits_is_planned() {
    let shop = numbers();
    shop.kilde(&["build"]).ended(0);
    let large = [
        format!(
            "select n from silver.numbers where {}",
            joined("n = {}", " or ", 300)
        ),
        format!(
            "select n from silver.numbers where n in ({})",
            joined("{}", ", ", 5_000)
        ),
        format!(
            "select n + {} as a from silver.numbers",
            joined("{}", " + ", 200)
        ),
        format!(
            "select {}n{} as a from silver.numbers",
            "(".repeat(150),
            ")".repeat(150)
        ),
        joined("select n from silver.numbers", " union ", 100),
    ];
    for sql in &large {
        assert_eq!(shop.query(sql).len(), 3, "{}", &sql[..60]);
    }
}

#[test]
fn a_decimal_of_a_scale_that_no_table_holds_is_refused_before_it_is_computed() {
    let shop = numbers();
    shop.write(
        "sql/silver/large.sql",
        "-- silver.large: hundreds.\nselect arrow_cast(n, 'Decimal128(5, -2)') as hundreds from ref.numbers\n",
    );
    let said = shop.kilde(&["check"]).ended(2);
    insta::assert_snapshot!(said.stderr.trim(), @r"
    error[K0314]: `hundreds` is a decimal of a scale that no table can hold
      --> sql/silver/large.sql:2:8
       |
     2 | select arrow_cast(n, 'Decimal128(5, -2)') as hundreds from ref.numbers
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    help: say how many digits are kept: `cast(… as decimal(18, 2))`
    ");
    shop.write(
        "sql/silver/large.sql",
        "-- silver.large: a number with an exponent is a double.\nselect cast(n as decimal(38, 2)) * 1e5 as a from ref.numbers\n",
    );
    shop.kilde(&["build"]).ended(0);
    assert_eq!(
        shop.query("select sum(a), arrow_typeof(max(a)) from silver.large"),
        [["600000.0", "Float64"]]
    );
}

#[test]
fn a_number_that_its_type_does_not_hold_fails_the_build_and_names_the_expression() {
    let shop = numbers();
    shop.write(
        "sql/silver/grown.sql",
        "-- silver.grown: one row per number.\nselect n,\n    n + 9223372036854775806 as grown\nfrom ref.numbers\n",
    );
    let said = shop.kilde(&["build"]).ended(1);
    insta::assert_snapshot!(steady(said.stderr.lines().take(5).collect::<Vec<_>>().join("\n").trim()), @r"
    error[K0805]: `silver.grown`: a value broke `numbers.n + 9223372036854775806`
      --> sql/silver/grown.sql:3:5
      caused by: `+` gives a number that bigint does not hold
    help: compute it in a wider type: `cast(… as decimal(38, 0))`, or `cast(… as double)` where the last digits do not count
    ");
    shop.write(
        "sql/silver/grown.sql",
        "-- silver.grown: one row.\nselect sum(n * cast(4611686018427387904 as bigint) / 2) as n from ref.numbers where n = 1\nunion all\nselect sum(cast(9223372036854775806 as bigint) + n) from ref.numbers where n < 2\nunion all\nselect sum(9223372036854775800 + n) over (order by n rows 1 preceding) from ref.numbers\n",
    );
    let said = shop.kilde(&["build"]).ended(1);
    insta::assert_snapshot!(steady(said.stderr.lines().take(5).collect::<Vec<_>>().join("\n").trim()), @r"
    error[K0805]: `silver.grown`: `sum(Int64(9223372036854775800) + ref.numbers.n)` is beyond what bigint holds
      --> sql/silver/grown.sql
    help: sum it in a wider type: `cast(… as decimal(38, 0))`, or `cast(… as double)` where the last digits do not count
    ");
}

/// The signal that the system sends for it would end the process without a word.
#[cfg(unix)]
#[test]
fn a_file_that_the_system_does_not_let_grow_is_told_of() {
    let numbers = numbers();
    let mut csv = "n\n".to_string();
    // in no order, which would be written in a few bytes
    (0..200_000_u64).for_each(|n| csv.push_str(&format!("{}\n", n * n * 31 % 1_000_000_007)));
    numbers.write("seeds/ref/numbers.csv", csv);
    let build = numbers.command(&["build"]);
    let mut limited = std::process::Command::new("sh");
    // in blocks of 512 or 1024 bytes
    let script = "ulimit -f 64; exec \"$0\" build";
    limited.args(["-c", script]).arg(build.get_program());
    limited.current_dir(numbers.root()).env("NO_COLOR", "1");
    let output = crate::time_limit::output(&mut limited).unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no file of that size"), "{said}");
    numbers.kilde(&["build"]).ended(0);
}

#[test]
fn a_test_and_a_function_that_overflow_fail_and_do_not_count_wrongly() {
    let shop = numbers();
    shop.write(
        "sql/functions/grow.sql",
        "create function grow(a bigint) returns bigint as a + 9223372036854775806;\n",
    );
    shop.write(
        "schemas/silver/numbers.yaml",
        "columns:\n  - {name: n, data_type: bigint}\ndata_tests:\n  - unique: {columns: [n], where: grow(n) > 0}\n",
    );
    let said = shop.kilde(&["build"]);
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stderr.contains("`+` gives a number"),
        "{}",
        said.stderr
    );
    shop.write(
        "schemas/silver/numbers.yaml",
        "columns:\n  - {name: n, data_type: bigint, data_tests: [not_null: {where: n + 9223372036854775806 > 0}]}\n",
    );
    let said = shop.kilde(&["build"]);
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stderr.contains("`+` gives a number"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_function_makes_no_value_that_is_larger_than_memory_is_good_for() {
    let shop = numbers();
    shop.kilde(&["build"]).ended(0);
    let doubled = |n: usize| {
        let steps = (1..n).map(|i| format!("t{i} as (select a || a as a from t{})", i - 1));
        let steps: Vec<String> = steps.collect();
        format!(
            "with t0 as (select repeat('x', 1000 + cast(n as integer)) as a from silver.numbers), {} select max(length(a)) from t{}",
            steps.join(", "),
            n - 1
        )
    };
    for sql in [
        "select length(lpad('x', 2147483647)) from silver.numbers".to_string(),
        "select length(rpad('x', cast(n as integer) * 100000000)) from silver.numbers".to_string(),
        "select length(repeat('xyz', 1000000000))".to_string(),
        "select length(repeat('xyz', n * 1000000000)) from silver.numbers".to_string(),
        "select length(replace(repeat('x', 10000), 'x', repeat('y', 10000))) from silver.numbers"
            .to_string(),
        "select length(concat(repeat('x', 10000000), repeat('x', 10000000))) from silver.numbers"
            .to_string(),
        "select len(range(10000000000))".to_string(),
        "select len(generate_series(1, n * 10000000000)) from silver.numbers".to_string(),
        "select len(array_repeat(n, 1000000000)) from silver.numbers".to_string(),
        doubled(20),
    ] {
        let said = shop.kilde(&["query", &sql]).ended(1);
        assert!(
            said.stderr.contains("error[K0814]"),
            "{sql}: {}",
            said.stderr
        );
    }
    for (sql, length) in [
        ("select length(lpad('x', 1000000))".to_string(), "1000000"),
        (
            "select max(length(repeat('xyz', n * 1000))) from silver.numbers".to_string(),
            "9000",
        ),
        ("select replace('a-b-c', '-', '--')".to_string(), "a--b--c"),
        (
            "select concat('a', n, null, 'b') from silver.numbers where n = 1".to_string(),
            "a1b",
        ),
        (
            "select concat_ws('-', 'a', n, null, 'b') from silver.numbers where n = 1".to_string(),
            "a-1-b",
        ),
        (
            "select 'a' || n || 'b' from silver.numbers where n = 1".to_string(),
            "a1b",
        ),
        (
            "select len(range(5)) + len(generate_series(1, 5)) + len(range(10, 0, -1))".to_string(),
            "20",
        ),
        (doubled(10), "513536"),
    ] {
        assert_eq!(shop.query(&sql), [[length]], "{sql}");
    }
    assert_eq!(shop.query("select 'a' || null"), [[""]]);
}
