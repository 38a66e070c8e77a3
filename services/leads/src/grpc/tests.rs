//! The service as its callers see it: over the contract, with real tokens, on a store in a file.

mod bulk;
mod export;
mod house;
mod imports;
mod reading;
mod writing;
