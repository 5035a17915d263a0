"""JSON, tables and paths of strangers, checked before they are used."""
