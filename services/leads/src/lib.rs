//! leadline-leads
