//! leadline-reminders
