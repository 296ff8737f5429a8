//! The registry of diagnostic codes. A number is never given to another finding, even after its own is gone.
//!
//! `01xx` reading, `02xx` expression syntax, `03xx` names, counts and kinds, `04xx` patterns and formats, `05xx` the
//! mapping file, `06xx` probable slips (warnings), `07xx` failures on a record.

use super::Severity;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal $severity:ident;)+) => {
        /// What kind of finding a diagnostic is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The number printed after the letter.
            pub fn number(self) -> u16 {
                match self { $(Code::$name => $number),+ }
            }

            /// Whether the finding keeps a mapping from running.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity),+ }
            }

            /// One sentence on what the code means.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

// 512 was `a language that is not built in yet`.
codes! {
    /// The file is not valid TOML.
    Toml = 101 Error;
    /// The file is not valid UTF-8 or is too large.
    Unreadable = 102 Error;
    /// The file is not valid JSON.
    Json = 103 Error;
    /// An expression does not parse.
    Syntax = 201 Error;
    /// A string constant is not closed.
    OpenString = 202 Error;
    /// An attribute reference is not closed.
    OpenAttribute = 203 Error;
    /// The expression is longer than 10,000 characters.
    TooLong = 204 Error;
    /// The expression nests deeper than 64 calls.
    TooDeep = 205 Error;
    /// An operator or form of another product that Entra does not have.
    ForeignSyntax = 206 Error;
    /// The text is an attribute or a constant where an expression is wanted.
    NotAnExpression = 207 Error;
    /// No such function.
    UnknownFunction = 301 Error;
    /// A function of Entra Connect or of another product.
    ForeignFunction = 302 Error;
    /// The wrong number of arguments.
    ArgumentCount = 303 Error;
    /// An argument of the wrong kind.
    ArgumentKind = 304 Error;
    /// A word that is none of those the argument takes.
    UnknownWord = 305 Error;
    /// A function where Entra does not allow it.
    MisplacedFunction = 306 Error;
    /// An attribute that the source does not have.
    UnknownAttribute = 307 Error;
    /// A macro such as %DomainFQDN% that is not defined.
    UnknownMacro = 308 Error;
    /// A regular expression that .NET refuses or that is not supported.
    Pattern = 401 Error;
    /// A regular expression without the named group.
    PatternGroup = 402 Error;
    /// A date format that .NET refuses or that is not supported.
    DateFormat = 403 Error;
    /// A key the mapping file does not have.
    UnknownKey = 501 Error;
    /// A key that must be there is missing.
    MissingKey = 502 Error;
    /// A value of the wrong type in the mapping file.
    WrongType = 503 Error;
    /// A value that is none of those allowed.
    WrongValue = 504 Error;
    /// The target path does not parse.
    TargetSyntax = 505 Error;
    /// The target attribute is not in the schema.
    UnknownTarget = 506 Error;
    /// Two rules write one target.
    DuplicateTarget = 507 Error;
    /// Two rules have one matching precedence.
    DuplicateMatch = 508 Error;
    /// A matching rule that reads more than one attribute.
    MatchOnSeveral = 509 Error;
    /// The rule's value cannot be what the target takes.
    TargetKind = 510 Error;
    /// Two keys say what one rule's program is.
    ConflictingKeys = 511 Error;
    /// A scoping clause that cannot work.
    Scope = 513 Error;
    /// A test that cannot work.
    TestCase = 514 Error;
    /// A key that an object has twice.
    DuplicateKey = 515 Error;
    /// What Entra's provisioning schema cannot hold.
    NotInEntra = 516 Error;
    /// A Switch key that can never match.
    UnreachableKey = 601 Warning;
    /// An attribute name that looks like a slip.
    SuspiciousAttribute = 602 Warning;
    /// A replacement that names no group of its pattern.
    ReplacementReference = 603 Warning;
    /// A pattern that also matches the empty text.
    EmptyMatch = 604 Warning;
    /// A date format that probably says something else than meant.
    SuspiciousFormat = 605 Warning;
    /// A form that Microsoft lists as unsupported.
    Unsupported = 606 Warning;
    /// A mapping without a matching rule.
    NoMatch = 608 Warning;
    /// A record that is not an object, or a value that no attribute can have.
    BadRecord = 701 Error;
    /// A value cannot be turned into what is wanted.
    Conversion = 702 Error;
    /// A position outside of a list.
    OutOfRange = 703 Error;
    /// The expression called Error().
    Raised = 704 Error;
    /// Every candidate value is taken.
    AllTaken = 705 Error;
    /// A limit was reached.
    Limit = 706 Error;
    /// A function does not take this value.
    BadArgument = 707 Error;
    /// A required target is empty.
    RequiredEmpty = 708 Error;
    /// The tests of a mapping failed.
    TestFailed = 709 Error;
    /// A value is not what the target takes.
    TargetConversion = 710 Error;
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = match self.severity() {
            Severity::Error => 'E',
            Severity::Warning => 'W',
        };
        write!(f, "{letter}{:04}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_ascending() {
        let numbers: Vec<u16> = Code::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
}
