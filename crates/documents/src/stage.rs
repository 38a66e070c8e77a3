//! The stages: word, colour, place in the pipeline.

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Nobody has been in touch yet.
    New,
    /// Somebody has.
    Contacted,
    /// Worth pursuing.
    Qualified,
    /// Won.
    Converted,
    /// Lost.
    Lost,
}

/// A colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// As `0xRRGGBB`.
    pub(crate) const fn hex(rgb: u32) -> Self {
        Self((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
    }
    /// As `0xRRGGBB`.
    pub(crate) const fn rgb(self) -> u32 {
        (self.0 as u32) << 16 | (self.1 as u32) << 8 | self.2 as u32
    }
}

impl Stage {
    /// All of them, in pipeline order.
    pub const ALL: [Self; 5] = [Self::New, Self::Contacted, Self::Qualified, Self::Converted, Self::Lost];

    /// The word for it, as everywhere in the program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Contacted => "Contacted",
            Self::Qualified => "Qualified",
            Self::Converted => "Converted",
            Self::Lost => "Lost",
        }
    }

    /// The one that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == text)
    }

    pub(crate) const fn colour(self) -> Colour {
        match self {
            Self::New => Colour::hex(0x0396D8),
            Self::Contacted => Colour::hex(0x713DC4),
            Self::Qualified => Colour::hex(0xD57C10),
            Self::Converted => Colour::hex(0x00623E),
            Self::Lost => Colour::hex(0x96918E),
        }
    }
}

/// The colours of the design system that documents use.
pub(crate) mod palette {
    use super::Colour;
    pub(crate) const PAPER: Colour = Colour::hex(0xF4F3EE);
    pub(crate) const SURFACE: Colour = Colour::hex(0xFFFFFF);
    pub(crate) const SUNKEN: Colour = Colour::hex(0xF0EEE7);
    pub(crate) const LINE: Colour = Colour::hex(0xE4E1D8);
    pub(crate) const LINE_STRONG: Colour = Colour::hex(0x848D88);
    pub(crate) const INK: Colour = Colour::hex(0x10211B);
    pub(crate) const INK_2: Colour = Colour::hex(0x44534C);
    pub(crate) const INK_3: Colour = Colour::hex(0x606C66);
    pub(crate) const BRAND: Colour = Colour::hex(0x0F4A3A);
    pub(crate) const BRAND_SOFT: Colour = Colour::hex(0xE3EFE6);
    pub(crate) const BRAND_PALE: Colour = Colour::hex(0xAECBBB);
    pub(crate) const CITRON: Colour = Colour::hex(0xCDEB4A);
    pub(crate) const HERO_FROM: Colour = Colour::hex(0x11463A);
    pub(crate) const HERO_TO: Colour = Colour::hex(0x0A2B23);
    pub(crate) const HERO_INK: Colour = Colour::hex(0xECF2EE);
    pub(crate) const HERO_INK_2: Colour = Colour::hex(0xB4C7BD);
    pub(crate) const GOOD: Colour = Colour::hex(0x0E6B45);
    pub(crate) const BAD: Colour = Colour::hex(0xB3261E);
}
