"""From bytes to records, whatever the format: JSON, tables, spreadsheets, transcripts, packed or not.

    parse(Source(b"question,answer\\nHi,Ahoy\\n", "rows.csv"), limits)
        -> Parsed(records=[Record(2, {"question": "Hi", "answer": "Ahoy"})], file_format="csv", ...)

    archives -> formats (what is it?) -> encodings -> json_rows | tables | plain_text
                                      -> parquet | xlsx
    rows that are messages -> message_rows

A module reads one format and returns Parsed. Content decides what it is, the file's name only where content leaves it
open. A row that cannot be read becomes a finding and costs no other row.
"""

from playground.data.readers.formats import parse

__all__ = ["parse"]
