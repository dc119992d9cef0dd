"""SQL statements over columns of every type: operators, functions, conditions, casts, in ANSI mode and as before it."""

import math
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.feature import Bucketizer, IndexToString, SQLTransformer, StringIndexer, VectorAssembler

from spark.case import Case, spark_case

SCHEMA = {
    "i": "int", "j": "int", "l": "bigint", "s": "smallint", "b": "tinyint", "d": "double", "e": "double", "f": "float",
    "t": "string", "u": "string", "o": "boolean", "p": "boolean", "n": "decimal(10,2)", "m": "decimal(6,3)",
    "a": "array<int>", "w": "array<string>",
}  # fmt: skip
ANSI_OFF = {"spark.sql.ansi.enabled": "false"}
NUMBERS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.5,
    -2.5,
    3.75,
    1e-7,
    -123456.789,
    1e15,
    2.345,
    100.0,
    math.nan,
    math.inf,
    -math.inf,
]
TEXTS = [
    "",
    "a",
    "Hello World",
    " padded ",
    "ünïcödé",
    "a,b,,c",
    "x_y%z",
    "12",
    "-7.5",
    "straße",
    "日本語",
    "a\nb",
    "ABC abc",
]


def rows(count: int = 40, seed: int = 5, *, nulls: float = 0.15) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    makers: dict[str, Any] = {
        "i": lambda: chance.randint(-9, 9),
        "j": lambda: chance.choice([1, 2, 3, 7, -4, 1000]),
        "l": lambda: chance.randint(-(10**12), 10**12),
        "s": lambda: chance.randint(-300, 300),
        "b": lambda: chance.randint(-11, 11),
        "d": lambda: chance.choice([*NUMBERS, chance.gauss(0.0, 10.0), chance.gauss(0.0, 1.0)]),
        "e": lambda: chance.choice([0.25, -3.0, 1e3, chance.uniform(0.1, 9.0)]),
        "f": lambda: chance.choice([0.5, -1.25, 3.0, 0.10000000149011612, 1234.5, math.nan]),
        "t": lambda: chance.choice(TEXTS),
        "u": lambda: chance.choice(["a", "b", "World", "ab", ",", "é", "%", ""]),
        "o": lambda: chance.random() < 0.5,
        "p": lambda: chance.random() < 0.5,
        "n": lambda: Decimal(chance.randint(-(10**6), 10**6)).scaleb(-2),
        "m": lambda: Decimal(chance.choice([1500, 250, -3125, 999, 1])).scaleb(-3),
        "a": lambda: [chance.choice([1, 2, 5, 9]) for _ in range(chance.randint(1, 4))],
        "w": lambda: [chance.choice(["x", "y", "", "zz"]) for _ in range(chance.randint(0, 3))],
    }
    return [{name: None if chance.random() < nulls else make() for name, make in makers.items()} for _ in range(count)]


def statement(expressions: str, where: str = "") -> str:
    """All columns, and one for each line."""
    lines = [line.strip() for line in expressions.strip().splitlines()]
    selected = [f"{line} AS c{number}" for number, line in enumerate(lines)]
    return f"SELECT *, {', '.join(selected)} FROM __THIS__ {where}"  # noqa: S608 - no input of others


def of(text: str, given: Sequence[Mapping[str, Any]] | None = None, **options: Any) -> Case:
    names = SCHEMA if given is None else {name: kind for name, kind in SCHEMA.items() if name in given[0]}
    return Case(SQLTransformer(statement=text), names, rows() if given is None else given, **options)


def both_modes(text: str, **options: Any) -> tuple[Case, Case]:
    return of(text, **options), of(text, spark_version="3.5.1", conf=ANSI_OFF, **options)


ARITHMETIC = """
    i + j
    i - l
    i * j
    s + b
    b + b
    i / j
    l / j
    i % j
    mod(l, j)
    pmod(i, j)
    l DIV j
    -i + +j
    ~i
    i & j | s
    i | j & s ^ l
    j << 3
    l >> 2
    i >>> 28
    shiftleft(l, 7)
    d + e * 2
    d / e
    d % e
    pmod(d, e)
    d - f
    f * f
    f + i
    f * 1.5
    -d
    abs(d)
    abs(i)
    (i + j) * 2 - j / 4
    1 - -1
    1e3 + i
    2.5D * i
    try_divide(i, j - 1)
    t || i
"""


@spark_case
def sql_arithmetic(spark: Any) -> Case:
    return both_modes(statement(ARITHMETIC))[0]


@spark_case
def sql_arithmetic_without_ansi(spark: Any) -> Case:
    return both_modes(statement(ARITHMETIC + "i / (j - 1)\n i % (j - 1)\n d / 0\n l DIV (j - 1)\n pmod(i, j - 1)"))[1]


DECIMALS = """
    n + m
    n - 1
    n * m
    n / m
    n / 3
    n % m
    i + 1.5
    i * 0.25
    l / 2.0
    i / 2.0
    2.5 * 2
    1.0 / 3
    -n
    abs(n)
    n + d
    n * e
    n > i
    n = 1.50
    m BETWEEN 0.2 AND 1.5
    round(n, 1)
    round(n, -2)
    bround(m, 2)
    round(n)
    floor(n)
    ceil(m)
    floor(1.5)
    greatest(n, m, i)
    coalesce(n, 1.5)
    coalesce(i, 2.5)
    CASE WHEN o THEN n WHEN p THEN 1 ELSE m END
    CAST(n AS INT)
    CAST(n AS DOUBLE)
    CAST(n AS STRING)
    CAST(e AS DECIMAL(12,4))
    CAST(i AS DECIMAL(5,1))
    CAST(n AS DECIMAL(12,1))
    CAST('12.345' AS DECIMAL(6,2))
    cast(m as boolean)
    n IN (1, 2.5, NULL)
    n DIV m
    sqrt(n)
    float(n)
"""


@spark_case
def sql_decimals(spark: Any) -> Case:
    return of(statement(DECIMALS))


@spark_case
def sql_decimals_without_ansi(spark: Any) -> Case:
    more = (
        "CAST(n AS DECIMAL(3,1))\n n / (m - m)\n CAST(t AS DECIMAL(5,2))\n CAST(d AS DECIMAL(8,3))\n CAST(n AS TINYINT)"
    )
    return of(statement(DECIMALS + more), spark_version="3.4.0", conf=ANSI_OFF)


CONDITIONS = """
    d = e
    d = d
    d <=> e
    d <=> NULL
    d < e
    d <= d
    d > e
    d >= d
    d <> e
    i != j
    i == j
    d > i
    f = 0.5
    t = u
    t < u
    t >= 'a'
    o = p
    o AND p
    o OR p
    NOT o
    ! p
    NOT o AND p OR i > 0
    o IS NULL
    t IS NOT NULL
    o IS TRUE
    o IS NOT FALSE
    p IS UNKNOWN
    d IS DISTINCT FROM e
    d IS NOT DISTINCT FROM d
    i IN (1, 2, 3)
    i NOT IN (1, NULL)
    d IN (1, 0.5, e)
    d IN (0.0D, double('NaN'))
    t IN ('a', 'b', u)
    i BETWEEN -3 AND j
    d NOT BETWEEN 0 AND 10
    t BETWEEN 'a' AND 'm'
    CASE WHEN i > 0 THEN 'plus' WHEN i < 0 THEN 'minus' ELSE 'zero' END
    CASE WHEN d > 1 THEN d END
    CASE i WHEN 1 THEN 'one' WHEN 2 THEN 'two' END
    CASE WHEN o THEN i WHEN p THEN d ELSE l END
    IF(i > j, i, l)
    if(o, NULL, t)
    coalesce(i, j, 0)
    coalesce(d, i)
    nvl(t, 'none')
    ifnull(i, 5)
    nvl2(t, 1, 2)
    nullif(i, 1)
    nullif(t, 'a')
    isnull(d)
    isnotnull(t)
    isnan(d)
    isnan(f)
    nanvl(d, 0)
    nanvl(f, 1.5F)
    zeroifnull(i)
    greatest(i, j, l)
    greatest(d, e, 1)
    least(d, e, f)
    least(t, u)
    i = 1 AND j = 2 OR o
    (i > 0) = o
    i > 0 IS TRUE
"""


@spark_case
def sql_conditions(spark: Any) -> Case:
    return of(statement(CONDITIONS))


@spark_case
def sql_conditions_without_ansi(spark: Any) -> Case:
    more = (
        "t = 12\n t > 1.5\n t = d\n coalesce(t, 1)\n if(o, i, t)\n i IN ('1', '2')\n t IN (12)\n f > i\n coalesce(f, i)"
    )
    return of(statement(CONDITIONS + more), spark_version="3.0.0", conf=ANSI_OFF)


@spark_case
def sql_strings_as_numbers(spark: Any) -> Case:
    """In ANSI mode strings beside whole numbers are read as such, and must be."""
    texts = ["12", " 7 ", "-3", "+4", "007", None, "1"]
    given = [{"i": number, "d": number / 2, "t": text} for number, text in enumerate(texts)]
    expressions = """
        t + 1
        t * 2.5
        t / 2
        t = i
        t > d
        t IN (1, 12)
        coalesce(t, i)
        sqrt(t)
        pow(t, 2)
        round(t)
        -t
        if(i > 2, i, t)
        greatest(i, 2)
        CAST(t AS INT) + CAST(t AS DOUBLE)
        substring(i, 1, 1)
        length(d)
        upper(d)
    """
    return of(statement(expressions), given)


@spark_case
def sql_casts(spark: Any) -> Case:
    given = [
        {"i": i, "l": l, "d": d, "f": f, "o": o, "t": t}
        for i, l, d, f, o, t in [  # noqa: E741 - the name of its column
            (0, 5, 0.0, 0.0, True, "1"), (1, -7, -0.0, 1.5, False, "true"), (127, 2**31 - 1, 2.99, -1.25, None, "NO"),
            (-128, -(2**31), -2.99, 0.10000000149011612, True, "t"), (9, 0, 99.5, 3.4000000953674316, False, " y "),
            (None, None, None, None, None, None),
        ]
    ]  # fmt: skip
    expressions = """
        CAST(i AS STRING)
        CAST(d AS STRING)
        CAST(f AS STRING)
        CAST(o AS STRING)
        CAST(l AS INT)
        CAST(d AS INT)
        CAST(d AS BIGINT)
        CAST(f AS SMALLINT)
        CAST(i AS TINYINT)
        CAST(i AS BOOLEAN)
        CAST(d AS BOOLEAN)
        CAST(o AS INT)
        CAST(o AS DOUBLE)
        CAST(d AS FLOAT)
        CAST(f AS DOUBLE)
        CAST(i AS FLOAT)
        CAST(t AS BOOLEAN)
        TRY_CAST(t AS INT)
        TRY_CAST(t AS DOUBLE)
        try_cast(d * 1e30 AS INT)
        double(i)
        int(d)
        string(l)
        boolean(i)
        i::double
        CAST(array(i, 2) AS ARRAY<DOUBLE>)
        CAST(NULL AS DOUBLE)
        NULL
    """
    return of(statement(expressions), given)


@spark_case
def sql_casts_without_ansi(spark: Any) -> Case:
    texts = ["1", " 2 ", "1.9", "-1.9", ".5", ".", "", "abc", "1e3", "NaN", "inf", "-Infinity", "99999999999", "1d",
             "+5", "1_0", "0x1", "\t3\n", "--1", "128", None]  # fmt: skip
    numbers = [1e20, -1e20, math.nan, math.inf, 300.7, -300.7, 2147483648.0, 1e-5, 123456789.0, 0.1, None]
    given = [
        {"l": [2**40 + 5, -(2**31) - 1, 300, -129, None][number % 5], "d": numbers[number % len(numbers)], "t": text}
        for number, text in enumerate(texts)
    ]
    expressions = """
        CAST(t AS INT)
        CAST(t AS BIGINT)
        CAST(t AS TINYINT)
        CAST(t AS DOUBLE)
        CAST(t AS FLOAT)
        CAST(t AS BOOLEAN)
        CAST(t AS DECIMAL(6,2))
        CAST(d AS INT)
        CAST(d AS BIGINT)
        CAST(d AS SMALLINT)
        CAST(d AS TINYINT)
        CAST(d AS STRING)
        CAST(d AS FLOAT)
        CAST(l AS INT)
        CAST(l AS SMALLINT)
        CAST(l AS TINYINT)
        CAST(l AS FLOAT)
        t + 1
        abs(t)
    """
    return of(statement(expressions), given, spark_version="3.3.2", conf=ANSI_OFF)


@spark_case
def sql_strings(spark: Any) -> Case:
    return of(
        statement(r"""
        lower(t)
        upper(t)
        ucase(u)
        trim(t)
        ltrim(t)
        rtrim(t)
        btrim(t)
        btrim(t, 'ab ')
        trim(BOTH 'a' FROM t)
        trim(LEADING FROM t)
        TRIM(TRAILING 'c' FROM t)
        length(t)
        char_length(t)
        octet_length(t)
        bit_length(t)
        reverse(t)
        initcap(t)
        ascii(t)
        concat(t, '-', u, i)
        concat_ws('|', t, u, 'x')
        concat_ws(',', w, t)
        concat()
        t || u || 'z'
        substring(t, 2, 3)
        substring(t, -3, 2)
        substring(t, -30, 29)
        substring(t, 0, 2)
        substring(t, i, j)
        substr(t, 3)
        substring(t FROM 2 FOR 1)
        left(t, 2)
        right(t, 3)
        left(t, i)
        repeat(u, 3)
        repeat(u, i)
        space(2)
        lpad(t, 7, 'xy')
        rpad(t, 7)
        lpad(t, i, '*')
        replace(t, 'a', 'bb')
        replace(t, u)
        translate(t, 'abc', 'x')
        contains(t, u)
        startswith(t, 'a')
        endswith(t, u)
        instr(t, u)
        locate(u, t)
        locate('a', t, 2)
        position('b' IN t)
        substring_index(t, ',', 2)
        substring_index(t, ',', -2)
        substring_index(t, u, 1)
        split(t, ',')
        split(t, ',', 2)
        split(t, '[ ,]+')
        split(t, '')
        split(t, ',')[0]
        size(split(t, 'b'))
        'it\'s' || "q" || 'tab\tq' || '\u00e9' || '\101'
        'a' 'b'
        r'\d'
    """),
    )


@spark_case
def sql_patterns(spark: Any) -> Case:
    return of(
        statement(r"""
        t LIKE 'a%'
        t LIKE '%b%'
        t LIKE '_'
        t LIKE ''
        t LIKE '%'
        t NOT LIKE '%c'
        t LIKE 'x\_y\%z'
        t LIKE 'x!_y!%z' ESCAPE '!'
        t LIKE '%\\%%'
        t LIKE u
        t ILIKE 'ABC%'
        like(t, 'a%')
        t RLIKE '^[a-c]'
        t RLIKE 'b+'
        t REGEXP '[0-9]+'
        t NOT RLIKE 'o|z'
        regexp_like(t, '\\d')
        regexp_replace(t, '[aeiou]', '*')
        regexp_replace(t, ',+', '')
        regexp_extract(t, '([a-z]+),([a-z]+)', 2)
        regexp_extract(t, '([a-z]+)')
        regexp_extract(t, '\\d+', 0)
    """),
    )


MATHEMATICS = """
    exp(e / 4)
    expm1(d)
    log(d)
    ln(e)
    log(2, d)
    log(e, 10)
    log2(d)
    log10(d)
    log1p(d)
    sqrt(d)
    cbrt(d)
    pow(d, 2)
    power(d, 0.5)
    pow(2, i)
    pow(d, e)
    pow(i, -1)
    sin(d)
    cos(d)
    tan(d)
    cot(e)
    sec(e)
    csc(e)
    asin(d)
    acos(d)
    atan(d)
    atan2(d, e)
    sinh(e / 100)
    cosh(e / 100)
    tanh(d)
    asinh(e)
    acosh(e)
    atanh(d)
    radians(d)
    degrees(d)
    hypot(d, e)
    sign(d)
    signum(i)
    exp(d)
    pi() * e()
"""


@spark_case
def sql_mathematics(spark: Any) -> Case:
    return of(statement(MATHEMATICS), rtol=1e-12)


@spark_case
def sql_rounding(spark: Any) -> Case:
    return of(
        statement("""
        round(d)
        round(d, 1)
        round(e, 2)
        round(d, -1)
        round(f, 1)
        round(i, -1)
        round(l, -3)
        round(i, 2)
        bround(d)
        bround(d, 1)
        bround(i, -1)
        round(0.5D)
        round(-0.5D)
        bround(2.5D)
        floor(d)
        floor(i)
        floor(f)
        ceil(d)
        ceiling(e)
        rint(d)
        sqrt(abs(e))
    """),
    )


ARRAYS = """
    array(i, j, 3)
    array(d, i)
    array(1, 2.5)
    array(t, u)
    array()
    size(a)
    cardinality(w)
    size(NULL)
    a[0]
    a[CAST(size(a) - 1 AS INT)]
    element_at(a, 1)
    element_at(a, -1)
    try_element_at(a, 9)
    get(a, 2)
    array_contains(a, 5)
    array_contains(array(i, NULL), 3)
    array_contains(w, u)
    array_position(a, 5)
    array_max(a)
    array_min(a)
    array_max(array(d, e))
    array_join(w, '+')
    array_join(array(t, u), ',', '?')
    concat(a, array(i))
    slice(a, 1, 2)
    slice(a, -1, 1)
    reverse(a)
    coalesce(a, array(0))
"""


@spark_case
def sql_arrays(spark: Any) -> Case:
    return of(statement(ARRAYS))


@spark_case
def sql_arrays_without_ansi(spark: Any) -> Case:
    more = "a[i]\n element_at(a, j)\n a[7]\n element_at(w, 2)\n size(split(t, ','))"
    return of(statement(ARRAYS + more), spark_version="2.4.8", conf=ANSI_OFF)


@spark_case
def sql_names(spark: Any) -> Case:
    """What has no alias is called by its text."""
    return of(
        "SELECT *, i + 1, abs(d), CAST(e + 1 AS INT), CAST(1.5 AS INT), i > 1 AND o, t.i + 2 k, -i, "
        "I + 3 AS `odd name`, CASE WHEN o THEN 1 ELSE 2 END, t LIKE 'a%', log(e), round(d), substring(t, 1, 2), "
        "i IN (1, 2), i BETWEEN 1 AND 2, IF(o, 'x', 'y'), a[0], 1.50, 'text', NULL, true, -2.5, i <=> j, "
        "concat_ws('-', t), 1e3, int(d) % 3, k * 2, k + `odd name` AS again, NOT o, t IS NULL, "
        "pow(i, 2), log1p(e), ceil(e), "
        "split(t, ',') FROM __THIS__ t "
        "WHERE isnan(d) = false AND abs(d) < 1e9",
        rtol=1e-12,
    )


@spark_case
def sql_where(spark: Any) -> Case:
    """Rows for which the condition is false or null are dropped, before anything else is computed."""
    return of(
        "SELECT *, j / i AS ratio, -- why\n 1 /* one */ AS one FROM __THIS__ AS x WHERE x.i <> 0 AND (o OR d > 0)"
    )


@spark_case
def sql_columns(spark: Any) -> Case:
    """Columns may be left out, renamed, moved, and computed from a query within the query."""
    return of(
        "SELECT * EXCEPT (a, w, base), base * 2 AS twice, I AS same, base FROM "
        "(SELECT *, coalesce(i, 0) + 1 AS base, t AS label FROM __THIS__ WHERE i IS NOT NULL) AS q WHERE base > 0"
    )


@spark_case
def sql_between_stages(spark: Any) -> Case:
    """Attributes of a column go with it, under another name too; vectors pass, and can be asked for."""
    given = [
        {"t": text, "d": number, "e": other}
        for text, number, other in zip("abacabcaab", [1.0, 2.0, -3.5, 0.0, 9.0] * 2, [0.5, None] * 5, strict=True)
    ]
    frame = spark.createDataFrame([(row["t"], row["d"]) for row in given], "t string, d double")
    stages = [
        StringIndexer(inputCol="t", outputCol="t_index"),
        SQLTransformer(statement="SELECT *, t_index AS renamed, log1p(abs(d)) AS size FROM __THIS__ WHERE t <> 'c'"),
        IndexToString(inputCol="renamed", outputCol="t_again"),
        SQLTransformer(
            statement="SELECT *, coalesce(size, 0) + 1 AS more, IF(d > 0, size, -size) AS other FROM __THIS__"
        ),
        Bucketizer(inputCol="other", outputCol="bucket", splits=[-math.inf, 0.0, 1.0, math.inf]),
        VectorAssembler(inputCols=["t_index", "more", "bucket"], outputCol="features"),
        SQLTransformer(statement="SELECT *, features AS x, features IS NULL AS without FROM __THIS__"),
    ]
    schema = {"t": "string", "d": "double", "e": "double"}
    return Case(Pipeline(stages=stages).fit(frame), schema, given, rtol=1e-12)


FAILING = [
    "i / 0", "i % 0", "CAST(t AS INT)", "CAST(d * 1e30 AS INT)", "CAST(l AS TINYINT)", "2147483647 + i",
    "CAST(-128 AS TINYINT) - CAST(i AS TINYINT)", "abs(-2147483648 + i - i)", "a[7]", "element_at(a, 9)",
    "element_at(a, 0)", "CAST(t AS DOUBLE)", "CAST(t AS BOOLEAN)", "CAST(n AS DECIMAL(3,2))",
    "n / 0", "l * 9223372036854775807", "t + 1",
    "pmod(i, 0)", "d / 0", "d % 0", "l DIV 0", "CAST(double('NaN') * i AS BIGINT)", "t LIKE concat(t, '\\\\')",
    "-(-2147483648 + i - i)", "i * 1000000 * 1000000", "slice(a, 0, 1)[0]", "round(2147483647 - i + i, -1)",
]  # fmt: skip


@spark_case
def sql_failures(spark: Any) -> Case:
    """Each row meets an expression that fails on it, or does not."""
    branches = " ".join(f"WHEN {number} THEN CAST({text} AS STRING)" for number, text in enumerate(FAILING))
    given: list[dict[str, Any]] = []
    for number in range(len(FAILING) + 1):
        base = {"i": 3, "j": number, "l": 1000, "d": 2.5, "t": "word", "n": Decimal("123.45"), "a": [1, 2]}
        given += [base, dict.fromkeys(base) | {"j": number}]
    return of(f"SELECT *, CASE j {branches} END AS c FROM __THIS__", given)  # noqa: S608
