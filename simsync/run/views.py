"""The SQL behind :class:`~simsync.run.database.RecordingDatabase`: views over the files of recorded runs.

Missing and malformed values are NULL. Each value is read as JSON first, so that no value makes a whole record
unreadable.
"""

from __future__ import annotations

from simsync.run.record_file import KINDS
from simsync.run.tables import TABLES

MACROS = r"""
CREATE MACRO content(value) AS value->>'$';
-- As simsync.run.record_file.amount. 30 digits leave room for sums, and floats are exact below 1e15.
CREATE MACRO whole(text) AS CASE
    WHEN regexp_full_match(text, '-?\d{1,30}') THEN TRY_CAST(text AS HUGEINT)
    WHEN regexp_full_match(text, '-?\d{1,15}(\.\d{1,15})?([eE]\+?\d{1,2})?')
        AND TRY_CAST(text AS DOUBLE) = floor(TRY_CAST(text AS DOUBLE)) AND abs(TRY_CAST(text AS DOUBLE)) < 1e15
    THEN TRY_CAST(TRY_CAST(text AS DOUBLE) AS BIGINT)::HUGEINT END;  -- DuckDB 1.4 casts doubles wrongly to HUGEINT
CREATE MACRO amount(value) AS whole(content(value));
CREATE MACRO decimal_number(value) AS CASE WHEN regexp_full_match(content(value), '-?\d+(\.\d+)?([eE][-+]?\d+)?')
    THEN TRY_CAST(content(value) AS DOUBLE) END;
CREATE MACRO string(value) AS CASE WHEN json_type(value) = 'VARCHAR' THEN content(value) END;
-- JSON in one spelling, also if it was written as text: two runs may come from two tools.
CREATE MACRO error_text(value) AS
    CASE WHEN content(value) SIMILAR TO '\s*[{\[].*' AND json_valid(content(value))
    THEN CAST(json(content(value)) AS VARCHAR) ELSE content(value) END;
-- As simsync.run.event_records.is_failed.
CREATE MACRO error_of(error, success) AS CASE WHEN content(error) <> '' THEN error_text(error)
    WHEN lower(content(success)) IN ('false', '0') THEN 'failed' END;
-- As simsync.run.event_records.transaction_key.
CREATE MACRO transaction_key(slot, signature) AS md5_number_lower(concat(slot, ' ', signature))::HUGEINT;
-- The vendor's state of an account may be its lamports, or an object with them.
CREATE MACRO lamports_of(value) AS CASE json_type(value) WHEN 'OBJECT' THEN value->'$.lamports' ELSE value END;
-- The keys and values of an object; NULL if a key is repeated, which DuckDB reads differently by its version.
CREATE MACRO entries_of(value) AS CASE WHEN len(json_keys(value)) = len(list_distinct(json_keys(value)))
    THEN map_entries(TRY_CAST(value AS MAP(VARCHAR, JSON))) END;
CREATE MACRO change_of(account, mint, pre, post, gain) AS {'account': account, 'mint': mint::VARCHAR,
    'pre': pre::VARCHAR, 'post': post::VARCHAR, 'gain': gain::VARCHAR};
CREATE MACRO change_in(account, mint, value) AS
    change_of(account, mint, value->>'$.pre', value->>'$.post', content(value));
CREATE MACRO diff_of(account, states) AS {'account': account::VARCHAR,
    'before': lamports_of(coalesce(states->'$.before', states->'$.pre_state')),
    'after': lamports_of(coalesce(states->'$.after', states->'$.post_state'))};
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
        "fee": "TRY_CAST(amount(data.fee) AS UBIGINT)",
        "timestamp": "TRY_CAST(amount(data.timestamp) AS BIGINT)",
        "logs": "coalesce(array_to_string(from_json(data.logs, '[\"VARCHAR\"]'), chr(10)), '')",
        "session_id": "string(data.session_id)",
    },
    "diffs": {
        "slot": "TRY_CAST(amount(data.slot) AS BIGINT)",
        "signature": "string(data.signature)",
        "account": "string(data.account)",
        "pre_lamports": "TRY_CAST(amount(data.pre_lamports) AS UBIGINT)",
        "post_lamports": "TRY_CAST(amount(data.post_lamports) AS UBIGINT)",
        "session_id": "string(data.session_id)",
    },
    "sessions": {
        "session_id": "string(data->'$.session_id')",
        "start_slot": "TRY_CAST(amount(data->'$.start_slot') AS BIGINT)",
        "end_slot": "TRY_CAST(amount(data->'$.end_slot') AS BIGINT)",
        "slots_seen": "TRY_CAST(amount(data->'$.slots_seen') AS BIGINT)",
        "highest_slot": "TRY_CAST(amount(data->'$.highest_slot') AS BIGINT)",
        "at_unix_secs": "decimal_number(data->'$.at_unix_secs')",
    },
    "others": {
        "kind": "kind",
        "session_id": "content(data->'$.session_id')",
        "data": "CAST(json_merge_patch(data, '{\"session_id\":null}') AS VARCHAR)",
    },
}

_CHANGES = """
SELECT slot, signature, row.account AS account, row.mint AS mint, whole(row.pre) AS before,
    whole(row.post) AS after, coalesce(after - before, whole(row.gain)) AS change FROM (
  SELECT TRY_CAST(amount(data.slot) AS BIGINT) AS slot, content(data.signature) AS signature, unnest(list_concat(
    CASE coalesce(json_type(data.sol_changes), 'NULL') WHEN 'ARRAY' THEN coalesce(
      list_transform(from_json(data.sol_changes, '[{"account":"VARCHAR","pre":"VARCHAR","post":"VARCHAR"}]'),
        lambda row: change_of(coalesce(row.account, ''), NULL, row.pre, row.post, NULL)),
      list_transform(from_json(data.sol_changes, '["JSON"]'),
        lambda row: change_of(coalesce(row->>'account', ''), NULL, row->>'pre', row->>'post', NULL)))
    WHEN 'OBJECT' THEN coalesce(
      list_transform(entries_of(data.sol_changes), lambda row: change_in(row.key, NULL, row.value)),
      [change_of('', NULL, NULL, NULL, NULL)])
    WHEN 'NULL' THEN [] ELSE [change_of('', NULL, NULL, NULL, content(data.sol_changes))] END,
    CASE coalesce(json_type(data.token_changes), 'NULL') WHEN 'ARRAY' THEN coalesce(
      list_transform(from_json(data.token_changes,
          '[{"account":"VARCHAR","owner":"VARCHAR","mint":"VARCHAR","pre":"VARCHAR","post":"VARCHAR"}]'), lambda row:
        change_of(coalesce(row.account, row.owner, ''), coalesce(row.mint, ''), row.pre, row.post, NULL)),
      list_transform(from_json(data.token_changes, '["JSON"]'), lambda row:
        change_of(coalesce(row->>'account', row->>'owner', ''), coalesce(row->>'mint', ''), row->>'pre', row->>'post',
          NULL)))
    WHEN 'OBJECT' THEN coalesce(
      flatten(list_transform(entries_of(data.token_changes), lambda row: coalesce(
        list_transform(entries_of(row.value), lambda token: change_in(row.key, token.key, token.value)),
        [change_of(row.key, '', NULL, NULL, NULL)]))),
      [change_of('', '', NULL, NULL, NULL)])
    WHEN 'NULL' THEN [] ELSE [change_of('', '', NULL, NULL, content(data.token_changes))] END
  )) AS row FROM {tx} WHERE data.sol_changes IS NOT NULL OR data.token_changes IS NOT NULL
)
"""
"""Rows with an amount before and after, or objects from an address to its gain, as the vendor documents them, or to an
amount before and after. A change that is not understood is NULL."""

_DIFFS_IN_TX = """
SELECT row.account AS account, {'slot': data.slot, 'signature': data.signature, 'account': to_json(row.account),
    'pre_lamports': row.before, 'post_lamports': row.after, 'session_id': data.session_id} AS data
FROM (SELECT data, unnest(CASE coalesce(json_type(data.account_diffs), 'NULL')
    WHEN 'ARRAY' THEN list_transform(from_json(data.account_diffs, '["JSON"]'),
        lambda row: diff_of(row->>'$.account', row))
    WHEN 'OBJECT' THEN coalesce(
        list_transform(entries_of(data.account_diffs), lambda row: diff_of(row.key, row.value)),
        [diff_of(NULL, data.account_diffs)])
    WHEN 'NULL' THEN [] ELSE [diff_of(NULL, data.account_diffs)] END) AS row FROM {tx})
"""
"""The account diffs that the vendor's tool writes into a transaction: rows, or an object by address. One that is not
understood has no account. Those of simsync are records."""

_NO_TX = "data.slot IS NULL AND data.signature IS NULL"


def small_records(number: int, path: str, compression: str, largest: int) -> str:
    """The statement that makes the table of all records of a file except transactions."""
    # Of account diffs, which may be many, only the session is kept: to count them without another look.
    # The kind of what is not a record is NULL.
    return (
        f"CREATE OR REPLACE TABLE small_{number} AS SELECT CASE WHEN starts_with(data, '{{') THEN type END AS kind,"
        " CASE type WHEN 'diff' THEN data->'$.session_id' ELSE data END AS data, row_number() OVER () AS position"
        f" FROM {_records('JSON', path, compression, largest)}"
        " WHERE type IS NULL OR type <> 'tx' OR NOT coalesce(starts_with(data, '{'), false)"
    )


def over_file(
    number: int, name: str, path: str, compression: str, largest: int, *, of_simsync: bool = False
) -> dict[str, str]:
    """The views over one file, and their queries; ``name`` is what the column ``file`` says, ``path`` is read.

    With ``of_simsync`` only what simsync writes is looked for.
    """

    def records(kind: str) -> str:
        fields = ", ".join(f'"{one}" JSON' for one in _FIELDS[kind])
        return _records(f"STRUCT({fields})", path, compression, largest)

    tx, small, kinds = f"tx_{number}", f"small_{number}", ", ".join(map(_text, KINDS))
    diffs = f"SELECT data FROM {records('diff')} WHERE type = 'diff' AND data.account IS NOT NULL"
    if not of_simsync:
        diffs += f" UNION ALL SELECT data FROM diffs_in_tx_{number} WHERE account IS NOT NULL"
    sources = {
        "transactions": f"(SELECT data, error_of(data.error, data.success) AS error FROM {tx})",
        "diffs": f"({diffs})",
        "sessions": f"(SELECT data FROM {small} WHERE kind = 'session_completed' ORDER BY position)",
        "others": f"(SELECT kind, data FROM {small} WHERE kind NOT IN ({kinds}) ORDER BY position)",
    }
    views = {
        "tx": f"SELECT data FROM {records('tx')} WHERE type = 'tx' AND NOT ({_NO_TX})",
        "no_transactions": f"SELECT 1 FROM {records('tx')} WHERE type = 'tx' AND {_NO_TX}",
        "diffs_in_tx": _DIFFS_IN_TX.replace("{tx}", tx),
        "changes": _CHANGES.replace("{tx}", tx),
        "not_understood": f"SELECT * FROM changes_{number} WHERE change IS NULL",
        "misfits": " UNION ALL ".join(
            _misfits(table, source) for table, source in sources.items() if table != "others"
        ),
        "balances": f"SELECT *, {_text(name)} AS file FROM changes_{number} WHERE change IS NOT NULL",
    }
    for table, source in sources.items():
        columns = ", ".join(f"{text} AS {column}" for column, text in _COLUMNS[table].items())
        views[table] = f"SELECT {columns}, {_text(name)} AS file FROM {source}"
    return {f"{view}_{number}": text for view, text in views.items()}


def _records(data: str, path: str, compression: str, largest: int) -> str:
    """The records of a file, whose data has this type."""
    options = f"format = 'newline_delimited', compression = '{compression}', maximum_object_size = {largest}"
    columns = f"{{type: 'VARCHAR', data: '{data}'}}"
    return f"read_json({_text(path)}, {options}, ignore_errors = true, columns = {columns})"


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
    return f"SELECT one FROM (SELECT unnest([{', '.join(cases)}]) AS one FROM {source}) WHERE one IS NOT NULL"


def over_all(files: int) -> dict[str, str]:
    """The views over all files, and their queries."""
    return {table: " UNION ALL ".join(f"SELECT * FROM {table}_{number}" for number in range(files)) for table in TABLES}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
