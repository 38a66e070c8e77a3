//! leadline
