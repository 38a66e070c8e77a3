//! What must hold whatever dies: programs and servers are killed, stopped and cut off under load, and what is left is compared with
//! what was acknowledged.
//!
//! All of it is one program: most of the time goes into waiting, for starts, for leases that run out, for deadlines, and systems that
//! have ports, folders and servers of their own wait beside each other. `scripts/test` says how many tests at once.

mod faults {
    mod all_in_one;
    mod at_moments;
    mod backup;
    mod distributed;
    mod exports;
    mod imports;
    mod model;
    mod of_clocks;
    mod of_primaries;
    mod on_disk;
    mod replayed;
}
