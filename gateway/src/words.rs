//! The words of the contract: enumerations that are one thing in JSON and another in the gRPC contracts.

// The words are token trees: a literal fragment would hide them from the macros that read the attributes.
/// Declares an enumeration of words over one of the gRPC contracts; the first word stands for what has none.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident = $proto:ty { $($(#[$variant_doc:meta])* $variant:ident $text:tt,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        #[allow(dead_code, reason = "not every enumeration is read and written")]
        impl $name {
            /// All words, in the contract's order.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// All words in a sentence.
            pub(crate) const ALLOWED: &'static str = crate::words::listed!($($text),+);

            /// The one that is written so.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
            /// As it is written.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
            /// That of the contracts.
            pub(crate) fn to_proto(self) -> $proto {
                match self { $(Self::$variant => <$proto>::$variant,)+ }
            }
            /// From the contracts.
            pub(crate) fn of(value: i32) -> Self {
                match <$proto>::try_from(value) {
                    $(Ok(<$proto>::$variant) => Self::$variant,)+
                    _ => Self::ALL[0],
                }
            }
        }
    };
}

macro_rules! listed {
    ($first:tt $(, $rest:tt)*) => { concat!($first $(, ", ", $rest)*) };
}

pub(crate) use {listed, words};
