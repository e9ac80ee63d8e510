// Package bolt is the back end of package store that keeps a bbolt file, which any number of processes share.
//
// bbolt means its file for one process, which keeps it locked while it has it open. Here nobody keeps it:
//
//   - An Update queues on the write lock of FILE-lock (package gate), opens the file, and closes it at its end.
//   - A View reads a copy in memory (memfd_create(2)) of the pages in use, so that it holds nobody up and nobody holds it up,
//     however long it takes. The copy is kept for the next View, and is good for as long as no other commit has been made. Only
//     the look at the file that opening it takes keeps writers waiting instead, if none is at it.
//
// A foreign program that opens the file by bbolt's ways keeps Updates waiting for as long as it has it open, and no View.
//
// # Snapshots
//
// A commit N+1 of bbolt writes new pages, syncs, and then writes one of the two meta pages, the other of which still says N. The
// pages that it writes are free in N: what N+1 frees is used again by N+2 only. So a copy that is made while the newest valid meta
// page says N, and says so still when the copy is done, is all of N, whatever is being written meanwhile. Otherwise another one
// is made.
//
// # Durability
//
// Every commit is synced, Volatile ones too: without a sync between them a power cut may leave a meta page on the disk, and not
// the pages that it leads to. A start costs two syncs here that it does not cost with sqlite.
//
// # Layout
//
// One bucket for each table of package keyed, which draws them. In the bucket meta, besides: "format", the number of this layout.
// The database lies in FILE; FILE-new and FILE-repaired are new ones on their way to take its place.
package bolt
