"""What a workspace keeps of itself: the record, blobs, backups, the journal of a change."""
