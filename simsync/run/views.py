"""The SQL behind :class:`~simsync.run.database.RecordingDatabase`: views over the files of recorded runs.

Missing and malformed values are NULL. Each value is read as JSON first, so that no value makes a whole record
unreadable.
"""

from __future__ import annotations

from simsync.run.record_file import KINDS
from simsync.run.tables import TABLES

MACROS = r"""
CREATE MACRO content(value) AS value->>'$';
-- 30 digits leave room for sums.
CREATE MACRO digits(text) AS CASE WHEN regexp_full_match(text, '-?\d{1,30}') THEN TRY_CAST(text AS HUGEINT) END;
-- An amount may be text, because 64 bits do not fit a double.
CREATE MACRO amount(value) AS digits(content(value));
-- An integer of JSON; 1.0, true and text are none.
CREATE MACRO whole(value) AS CASE WHEN json_type(value) <> 'VARCHAR' THEN amount(value) END;
CREATE MACRO decimal_number(value) AS
    CASE WHEN json_type(value) IN ('UBIGINT', 'BIGINT', 'DOUBLE') THEN TRY_CAST(content(value) AS DOUBLE) END;
CREATE MACRO string(value) AS CASE WHEN json_type(value) = 'VARCHAR' THEN content(value) END;
-- JSON in one spelling, also if it was written as text: two runs may come from two tools.
CREATE MACRO error_text(value) AS
    CASE WHEN content(value) SIMILAR TO '\s*[{\[].*' AND json_valid(content(value))
    THEN CAST(json(content(value)) AS VARCHAR) ELSE content(value) END;
-- As simsync.run.event_records.transaction_key.
CREATE MACRO transaction_key(slot, signature) AS md5_number_lower(concat(slot, ' ', signature))::HUGEINT;
-- A balance, which other tools may write as a whole float.
CREATE MACRO units_of(text) AS CASE
    WHEN regexp_full_match(text, '-?\d{1,30}(\.0+)?') THEN TRY_CAST(regexp_replace(text, '\.0+$', '') AS HUGEINT)
    WHEN regexp_full_match(text, '-?\d{1,15}(\.\d{1,15})?[eE]\+?\d{1,2}')
        AND TRY_CAST(text AS DOUBLE) = floor(TRY_CAST(text AS DOUBLE)) AND abs(TRY_CAST(text AS DOUBLE)) < 1e15
    THEN TRY_CAST(TRY_CAST(text AS DOUBLE) AS HUGEINT) END;
-- The vendor's state of an account may be its lamports, or an object with them.
CREATE MACRO lamports_of(value) AS CASE json_type(value) WHEN 'OBJECT' THEN value->'$.lamports' ELSE value END;
CREATE MACRO part_of(text, path) AS
    CASE WHEN starts_with(text, '{') AND json_valid(text) THEN json_extract_string(text, path) END;
CREATE MACRO change_of(account, mint, pre, post, gain) AS {'account': account, 'mint': mint::VARCHAR,
    'pre': pre::VARCHAR, 'post': post::VARCHAR, 'gain': gain::VARCHAR};
CREATE MACRO programs_of(logs) AS
    list_distinct(regexp_extract_all(logs, '(?m)^Program (\w+) invoke \[\d+\]', 1));
"""

_FIELDS = {
    "tx": (
        *("slot", "timestamp", "signature", "success", "error", "logs", "sol_changes", "token_changes"),
        *("compute_units", "computeUnits", "units_consumed", "fee", "session_id", "account_diffs"),
    ),
    "diff": ("slot", "signature", "account", "pre_lamports", "post_lamports", "session_id"),
}
"""The fields of the records that are many. Names that differ only in case would be one column."""

_COLUMNS = {
    "transactions": {
        "slot": "TRY_CAST(amount(data.slot) AS BIGINT)",
        "signature": "content(data.signature)",
        "success": "error IS NULL",
        "error": "error",
        "compute_units": "TRY_CAST(coalesce(amount(data.compute_units), amount(data.computeUnits),"
        " amount(data.units_consumed)) AS BIGINT)",
        "fee": "TRY_CAST(whole(data.fee) AS UBIGINT)",
        "timestamp": "TRY_CAST(whole(data.timestamp) AS BIGINT)",
        "logs": "coalesce(array_to_string(from_json(data.logs, '[\"VARCHAR\"]'), chr(10)), '')",
        "session_id": "string(data.session_id)",
    },
    "diffs": {
        "slot": "TRY_CAST(whole(data.slot) AS BIGINT)",
        "signature": "string(data.signature)",
        "account": "string(data.account)",
        "pre_lamports": "TRY_CAST(whole(data.pre_lamports) AS UBIGINT)",
        "post_lamports": "TRY_CAST(whole(data.post_lamports) AS UBIGINT)",
        "session_id": "string(data.session_id)",
    },
    "sessions": {
        "session_id": "string(data->'$.session_id')",
        "start_slot": "TRY_CAST(whole(data->'$.start_slot') AS BIGINT)",
        "end_slot": "TRY_CAST(whole(data->'$.end_slot') AS BIGINT)",
        "slots_seen": "TRY_CAST(whole(data->'$.slots_seen') AS BIGINT)",
        "highest_slot": "TRY_CAST(whole(data->'$.highest_slot') AS BIGINT)",
        "at_unix_secs": "decimal_number(data->'$.at_unix_secs')",
    },
    "others": {
        "kind": "kind",
        "session_id": "content(data->'$.session_id')",
        "data": "CAST(json_merge_patch(data, '{\"session_id\":null}') AS VARCHAR)",
    },
}

_CHANGES = """
SELECT slot, signature, row.account AS account, row.mint AS mint, units_of(row.pre) AS before,
    units_of(row.post) AS after, coalesce(after - before, units_of(row.gain)) AS change FROM (
  SELECT TRY_CAST(amount(data.slot) AS BIGINT) AS slot, content(data.signature) AS signature, unnest(list_concat(
    CASE json_type(data.sol_changes) WHEN 'ARRAY' THEN coalesce(
      list_transform(from_json(data.sol_changes, '[{"account":"VARCHAR","pre":"VARCHAR","post":"VARCHAR"}]'),
        lambda row: change_of(coalesce(row.account, ''), NULL, row.pre, row.post, NULL)),
      list_transform(from_json(data.sol_changes, '["JSON"]'),
        lambda row: change_of(coalesce(row->>'account', ''), NULL, row->>'pre', row->>'post', NULL)))
    WHEN 'OBJECT' THEN
      list_transform(map_entries(TRY_CAST(data.sol_changes AS MAP(VARCHAR, VARCHAR))), lambda row:
        change_of(row.key, NULL, part_of(row.value, '$.pre'), part_of(row.value, '$.post'), row.value))
    WHEN 'NULL' THEN [] ELSE [change_of('', NULL, NULL, NULL, content(data.sol_changes))] END,
    CASE json_type(data.token_changes) WHEN 'ARRAY' THEN coalesce(
      list_transform(from_json(data.token_changes,
          '[{"account":"VARCHAR","owner":"VARCHAR","mint":"VARCHAR","pre":"VARCHAR","post":"VARCHAR"}]'), lambda row:
        change_of(coalesce(row.account, row.owner, ''), coalesce(row.mint, ''), row.pre, row.post, NULL)),
      list_transform(from_json(data.token_changes, '["JSON"]'), lambda row:
        change_of(coalesce(row->>'account', row->>'owner', ''), coalesce(row->>'mint', ''), row->>'pre', row->>'post',
          NULL)))
    WHEN 'OBJECT' THEN coalesce(
      flatten(list_transform(map_entries(TRY_CAST(data.token_changes AS MAP(VARCHAR, MAP(VARCHAR, VARCHAR)))),
        lambda row: coalesce(list_transform(map_entries(row.value), lambda token:
          change_of(row.key, token.key, part_of(token.value, '$.pre'), part_of(token.value, '$.post'), token.value)),
          [change_of(row.key, '', NULL, NULL, NULL)]))),
      [change_of('', '', NULL, NULL, NULL)])
    WHEN 'NULL' THEN [] ELSE [change_of('', '', NULL, NULL, content(data.token_changes))] END
  )) AS row FROM (%(tx)s WHERE data.sol_changes IS NOT NULL OR data.token_changes IS NOT NULL)
)
"""
"""Rows with an amount before and after, or objects from an address to its gain, as the vendor documents them, or to an
amount before and after. A change that is not understood is NULL."""

_ERROR = """
SELECT data, CASE WHEN data.error IS NULL OR json_type(data.error) = 'NULL'
    THEN CASE WHEN content(data.success) = 'false' THEN 'failed' END ELSE error_text(data.error) END AS error
FROM (%(tx)s)
"""
_NO_TX = "data.slot IS NULL AND data.signature IS NULL"
_TX = f"SELECT data FROM %(records)s WHERE type = 'tx' AND NOT ({_NO_TX})"
_DIFF = "SELECT data FROM %(records)s WHERE type = 'diff' AND data.account IS NOT NULL"


_DIFFS_IN_TX = """
SELECT {'slot': data.slot, 'signature': data.signature, 'account': to_json(row.key),
    'pre_lamports': lamports_of(row.value->'$.before'), 'post_lamports': lamports_of(row.value->'$.after'),
    'session_id': data.session_id} AS data
FROM (SELECT data, unnest(map_entries(TRY_CAST(data.account_diffs AS MAP(VARCHAR, JSON)))) AS row FROM (%(tx)s)
    WHERE json_type(data.account_diffs) = 'OBJECT')
"""
"""The account diffs that the vendor's tool writes into a transaction, by address; those of simsync are records."""


def over_file(number: int, name: str, path: str, compression: str, largest: int, *, of_simsync: bool = False) -> str:
    """The views over one file; ``name`` is what the column ``file`` says, ``path`` is read.

    With ``of_simsync`` the table of small records is there already, and only what simsync writes is looked for.
    """
    options = f"format = 'newline_delimited', compression = '{compression}', maximum_object_size = {largest}"

    def records(data: str) -> str:
        columns = f"{{type: 'VARCHAR', data: '{data}'}}"
        return f"read_json({_text(path)}, {options}, ignore_errors = true, columns = {columns})"

    structs = {kind: "STRUCT(" + ", ".join(f'"{one}" JSON' for one in fields) + ")" for kind, fields in _FIELDS.items()}
    tx = _TX % {"records": records(structs["tx"])}
    diffs_in_tx = "" if of_simsync else f"UNION ALL {_DIFFS_IN_TX % {'tx': f'SELECT data FROM ({tx})'}}"
    small, kinds = f"small_{number}", ", ".join(map(_text, KINDS))
    sources = {
        "transactions": _ERROR % {"tx": tx},
        "diffs": f"{_DIFF % {'records': records(structs['diff'])}} {diffs_in_tx}",
        "sessions": f"SELECT data FROM {small} WHERE kind = 'session_completed' ORDER BY position",
        "others": f"SELECT kind, data FROM {small} WHERE kind NOT IN ({kinds}) ORDER BY position",
    }
    statements = (
        []
        if of_simsync
        else [
            # Of account diffs, which may be many, only the session is kept: to count them without another look.
            f"CREATE OR REPLACE TABLE {small} AS SELECT type AS kind, CASE type WHEN 'diff' THEN data->'$.session_id'"
            f" ELSE data END AS data, row_number() OVER () AS position FROM {records('JSON')}"
            " WHERE type IS NULL OR (type <> 'tx' AND json_type(data) = 'OBJECT')"
        ]
    )
    selections = {
        table: f"SELECT {', '.join(f'{text} AS {name}' for name, text in _COLUMNS[table].items())}, %s FROM ({source})"
        for table, source in sources.items()
    }
    checked = {"transactions": tx, "diffs": sources["diffs"], "sessions": sources["sessions"]}
    statements.append(
        f"CREATE OR REPLACE VIEW misfits_{number} AS "
        + " UNION ALL ".join(_misfits(table, source) for table, source in checked.items())
    )
    changes = f"SELECT * FROM ({_CHANGES % {'tx': f'SELECT data FROM ({tx})'}})"
    selections["balances"] = f"SELECT *, %s FROM ({changes}) WHERE change IS NOT NULL"
    statements += [
        f"CREATE OR REPLACE VIEW not_understood_{number} AS {changes} WHERE change IS NULL",
        f"CREATE OR REPLACE VIEW no_transactions_{number} AS"
        f" SELECT 1 FROM {records(structs['tx'])} WHERE type = 'tx' AND {_NO_TX}",
    ]
    statements += [
        f"CREATE OR REPLACE VIEW {table}_{number} AS {selection % f'{_text(name)} AS file'}"
        for table, selection in selections.items()
    ]
    return ";\n".join(statements)


def _misfits(table: str, source: str) -> str:
    """The values of a table that do not fit their column, and are NULL in its view."""
    cases = []
    for column in TABLES[table]:
        text = _COLUMNS[table][column.name]
        value = f"(data->'$.{column.name}')" if table == "sessions" else f"data.{column.name}"
        if "data" in text and column.name != "logs":
            present = f"{value} IS NOT NULL AND json_type({value}) <> 'NULL'"
            misfit = f"{{'name': '{column.name}', 'value': content({value}), 'kind': '{column.kind}'}}"
            cases.append(f"CASE WHEN {present} AND {text} IS NULL THEN {misfit} END")
    return f"SELECT one FROM (SELECT unnest([{', '.join(cases)}]) AS one FROM ({source})) WHERE one IS NOT NULL"


def over_all(files: int) -> str:
    """The views over all files."""
    return ";\n".join(
        f"CREATE VIEW {table} AS " + " UNION ALL ".join(f"SELECT * FROM {table}_{number}" for number in range(files))
        for table in TABLES
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
