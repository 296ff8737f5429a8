//! Functions that people bring along from Entra Connect, Excel or Visual Basic, and how Entra writes the same.

/// A function of another product.
#[derive(Debug, Clone, Copy)]
pub struct Foreign {
    /// Its name there.
    pub name: &'static str,
    /// Where it comes from.
    pub origin: &'static str,
    /// How Entra writes it, or that it cannot.
    pub instead: &'static str,
}

const CONNECT: &str = "Entra Connect";
const VB: &str = "Visual Basic";

macro_rules! foreign {
    ($($name:literal $origin:ident $instead:literal;)+) => {
        &[$(Foreign { name: $name, origin: $origin, instead: $instead }),+]
    };
}

const FOREIGN: &[Foreign] = foreign! {
    "BitOr" CONNECT "Entra has BitAnd alone";
    "CGuid" CONNECT "Entra works on text: use the attribute as it is";
    "CInt" VB "Entra reads numeric text where a number is wanted: use the value as it is";
    "CLng" VB "Entra reads numeric text where a number is wanted: use the value as it is";
    "CNum" CONNECT "Entra reads numeric text where a number is wanted: use the value as it is";
    "CRef" CONNECT "map the reference attribute directly: `[manager]`";
    "Concat" VB "write `Join(\"\", [a], [b])` or `Append([a], [b])`";
    "Concatenate" VB "write `Join(\"\", [a], [b])` or `Append([a], [b])`";
    "ConvertFromUTF8Hex" CONNECT "Entra has no function for it";
    "DNComponentRev" CONNECT "Entra counts from the left: `DNComponent([dn], 2)`";
    "EscapeDNComponent" CONNECT "escape by hand: `Replace([x], \",\", , , \"\\,\", , )`";
    "If" VB "write `IIF([a] = \"x\", …, …)`";
    "InStrRev" CONNECT "cut with a pattern: `Replace([x], , \"^.*@\", , \"\", , )`";
    "IsDate" CONNECT "compare with a pattern or let CDate fail; Entra has no test";
    "IsGuid" CONNECT "Entra has no test";
    "IsNumeric" CONNECT "test with a pattern: `IIF(Replace([x], , \"^[0-9]+$\", , \"\", , ) = \"\", …, …)`";
    "IsBitSet" CONNECT "write `IIF(BitAnd([x], 2) = 2, …, …)`";
    "ItemOrNull" CONNECT "guard Item: `IIF(Count([x]) >= 2, Item([x], 2), \"\")`";
    "LCase" CONNECT "write `ToLower([x])`";
    "LTrim" CONNECT "write `Trim([x])`, or `Replace([x], , \"^\\\\s+\", , \"\", , )` for the left side alone";
    "Lower" VB "write `ToLower([x])`";
    "PadLeft" CONNECT "pad and cut: `Replace(Join(\"\", \"000000\", [x]), , \"^0*(.{6,})$\", , \"$1\", , )`";
    "PadRight" CONNECT "pad and cut: `Left(Append([x], \"      \"), 6)`";
    "Proper" VB "write `PCase([x])`";
    "RandomNum" CONNECT "write `RandomString(4, 4, 0, 0, 0)` for four digits";
    "ReplaceChars" CONNECT "nest Replace, or use a class: `Replace([x], , \"[äÄ]\", , \"ae\", , )`";
    "Right" CONNECT "cut with a pattern: `Replace([x], , \"^.*(.{4})$\", , \"$1\", , )` for the last four characters";
    "RTrim" CONNECT "write `Trim([x])`, or `Replace([x], , \"\\\\s+$\", , \"\", , )` for the right side alone";
    "Select" CONNECT "Entra cannot run over the values of an attribute";
    "StringFromGuid" CONNECT "Entra works on text: use the attribute as it is";
    "Substring" VB "write `Mid([x], 1, 5)`; the first character is 1";
    "UCase" CONNECT "write `ToUpper([x])`";
    "Upper" VB "write `ToUpper([x])`";
    "Where" CONNECT "Entra cannot run over the values of an attribute";
    "With" CONNECT "Entra has no local names: repeat the call";
    "Year" VB "write `FormatDateTime([x], , \"yyyy-MM-dd\", \"yyyy\")`";
    "Today" VB "write `Now()`";
    "Date" VB "write `FormatDateTime(Now(), , \"M/d/yyyy h:mm:ss tt\", \"yyyy-MM-dd\")`";
    "Length" VB "write `Len([x])`";
    "Match" VB "match with `Replace`: it returns the source unchanged when the pattern does not match";
    "IsEmpty" VB "write `IsNullOrEmpty([x])`";
    "And" VB "Entra has no And: nest `IIF(a, IIF(b, …, …), …)`";
    "Or" VB "Entra has no Or: nest `IIF(a, …, IIF(b, …, …))`";
};

/// The function of another product called so, in any case.
pub fn foreign(name: &str) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|foreign| foreign.name.eq_ignore_ascii_case(name))
}
