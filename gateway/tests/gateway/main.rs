//! The gateway at its door: what it does by itself, before and without the services behind it.

mod exports;
mod files;
mod laws;
mod live;
mod setup;
