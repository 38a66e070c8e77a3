//! leadline-auth
