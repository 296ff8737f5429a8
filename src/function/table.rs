//! [`TABLE`]: every function, in the order of the alphabet. What is written here is what the checker enforces, what
//! `provisor functions` prints and what the tests run.
//!
//! Sources: Microsoft Learn, "Reference for writing expressions for attribute mappings in Microsoft Entra ID" and, for
//! those marked as cloud sync's, "Attribute mapping expression reference" of Entra Cloud Sync.

use super::spec::{Body, Example, Family, Form, Kinds, Param, Placement, Repeat, Spec};
use super::{bytes, date, encoding, identity, list, logic, number, replace, roles, text};

/// The function called so; letter case is free, as in Microsoft's own pages.
pub fn lookup(name: &str) -> Option<&'static Spec> {
    TABLE.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))
}

const fn example(expression: &'static str, given: &'static str, result: &'static str) -> Example {
    Example { expression, given, result }
}

/// A body as the table keeps it: one that writes its value to its place.
macro_rules! call {
    ($body:path) => {
        |context, arguments, out| {
            *out = $body(context, arguments)?;
            Ok(())
        }
    };
}

/// What most functions are; a row names what differs.
const FUNCTION: Spec = Spec {
    name: "",
    family: Family::Text,
    params: &[],
    repeat: Repeat::No,
    returns: Kinds::TEXT,
    summary: "",
    details: "",
    cloud_sync_only: false,
    placement: Placement::Anywhere,
    pure: true,
    can_fail: false,
    passes_on: false,
    redacts: false,
    examples: &[],
    body: Body::Plain(call!(logic::is_null)),
};

const TEXT: Kinds = Kinds::SINGLE;
const NUMBER: Kinds = Kinds::INTEGER.or(Kinds::TEXT).or(Kinds::NULL);
const VALUES: Kinds = Kinds::ANY;
const ROLES: Kinds = Kinds::LIST.or(Kinds::OBJECT).or(Kinds::NULL);
const MAYBE_TEXT: Kinds = Kinds::TEXT.or(Kinds::NULL);

const SOURCE: Param = Param::required("source", TEXT, "Usually an attribute.");

/// Every function.
pub const TABLE: &[Spec] = &[
    Spec {
        name: "Append",
        params: &[SOURCE, Param::required("suffix", TEXT, "What is put behind it.")],
        returns: MAYBE_TEXT,
        summary: "Puts a suffix behind a text.",
        details: "A null source gives null; a null suffix counts as \"\".",
        examples: &[
            example(r#"Append([alias], "@contoso.com")"#, r#"{"alias": "ada"}"#, r#""ada@contoso.com""#),
            example(r#"Append([alias], "@contoso.com")"#, "{}", "null"),
        ],
        body: Body::Plain(call!(text::append)),
        ..FUNCTION
    },
    Spec {
        name: "AppRoleAssignments",
        family: Family::Role,
        params: &[Param::required("source", ROLES, "The attribute [appRoleAssignments].")],
        returns: Kinds::LIST.or(Kinds::NULL),
        summary: "The names of the app roles, as a list.",
        details: "The older form; AppRoleAssignmentsComplex gives complex values. No role gives null.",
        can_fail: true,
        examples: &[example(
            "AppRoleAssignments([appRoleAssignments])",
            r#"{"appRoleAssignments": [{"value": "r", "displayName": "Reader"}, {"value": "w", "displayName": "Writer"}]}"#,
            r#"["Reader", "Writer"]"#,
        )],
        body: Body::Plain(call!(roles::names)),
        ..FUNCTION
    },
    Spec {
        name: "AppRoleAssignmentsComplex",
        family: Family::Role,
        params: &[Param::required("source", ROLES, "The attribute [appRoleAssignments].")],
        returns: Kinds::LIST.or(Kinds::NULL),
        summary: "The app roles as complex values, to be added to the target's roles.",
        details: "Each has primary = false, type, display and value. Roles that were unassigned stay in the target; \
                  AssertiveAppRoleAssignmentsComplex removes them. Not to be used with the scope \"Sync all\".",
        can_fail: true,
        examples: &[example(
            "AppRoleAssignmentsComplex([appRoleAssignments])",
            r#"{"appRoleAssignments": [{"value": "r", "displayName": "Reader"}]}"#,
            r#"[{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "Reader", "value": "r"}]"#,
        )],
        body: Body::Plain(call!(roles::complex)),
        ..FUNCTION
    },
    Spec {
        name: "AssertiveAppRoleAssignmentsComplex",
        family: Family::Role,
        params: &[Param::required("source", ROLES, "The attribute [appRoleAssignments].")],
        returns: Kinds::LIST.or(Kinds::NULL),
        summary: "The app roles as complex values, to replace the target's roles.",
        details: "The value is AppRoleAssignmentsComplex's; the target's roles become exactly these.",
        can_fail: true,
        examples: &[example(
            "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])",
            r#"{"appRoleAssignments": [{"value": "r", "displayName": "Reader"}]}"#,
            r#"[{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "Reader", "value": "r"}]"#,
        )],
        body: Body::Plain(call!(roles::complex)),
        ..FUNCTION
    },
    Spec {
        name: "BitAnd",
        family: Family::Number,
        params: &[
            Param::required("value1", NUMBER, "A number: decimal, &H hexadecimal, or text of either."),
            Param::required("value2", NUMBER, "The bits to keep."),
        ],
        returns: Kinds::INTEGER.or(Kinds::NULL),
        summary: "The bits that both numbers have.",
        details: "Null gives null.",
        can_fail: true,
        examples: &[
            example("BitAnd(&HF, &HF7)", "{}", "7"),
            example(
                r#"IIF(BitAnd([userAccountControl], 2) = "0", "True", "False")"#,
                r#"{"userAccountControl": "514"}"#,
                r#""False""#,
            ),
        ],
        body: Body::Plain(call!(number::bit_and)),
        ..FUNCTION
    },
    Spec {
        name: "CBool",
        family: Family::Logic,
        params: &[Param::required("expression", Kinds::CONDITION.or(Kinds::ANY), "A comparison, or a value.")],
        returns: Kinds::BOOLEAN,
        summary: "True when the comparison holds, or when the value is True or a number that is not 0.",
        details: "Null and \"\" give False; a text that is neither true, false nor a number is a failure.",
        can_fail: true,
        examples: &[
            example("CBool([a] = [b])", r#"{"a": "x", "b": "x"}"#, "true"),
            example("CBool([a])", r#"{"a": "0"}"#, "false"),
        ],
        body: Body::Plain(call!(logic::cbool)),
        ..FUNCTION
    },
    Spec {
        name: "CDate",
        family: Family::Date,
        params: &[Param::required("text", TEXT, "A date in ISO, US or written English form.")],
        returns: Kinds::DATE,
        summary: "A date as UTC text `M/d/yyyy h:mm:ss tt`.",
        details: "An offset moves the date to UTC; without one it is taken as UTC. Null, \"\" and what is no date are failures: \
                  guard them with IIF or Switch. Day-first dates and generalised time are not taken: use FormatDateTime.",
        can_fail: true,
        examples: &[
            example("CDate([hireDate])", r#"{"hireDate": "2020-03-16-07:00"}"#, r#""3/16/2020 7:00:00 AM""#),
            example("CDate([hireDate])", r#"{"hireDate": "soon"}"#, r#"{"error": "E0702"}"#),
        ],
        body: Body::Plain(call!(date::cdate)),
        ..FUNCTION
    },
    Spec {
        name: "Coalesce",
        family: Family::Logic,
        params: &[Param::required("source", VALUES, "Tried from left to right; the last may be a default.")],
        repeat: Repeat::Last(1),
        returns: VALUES,
        summary: "The first value that is not null.",
        details: "\"\" is a value. When all are null the result is null.",
        examples: &[
            example(
                "Coalesce([mail], [userPrincipalName])",
                r#"{"mail": null, "userPrincipalName": "ada@contoso.com"}"#,
                r#""ada@contoso.com""#,
            ),
            example("Coalesce([a], [b])", "{}", "null"),
        ],
        body: Body::Lazy(Form::Coalesce),
        ..FUNCTION
    },
    Spec {
        name: "Contains",
        family: Family::List,
        params: &[
            Param::required("source", VALUES, "A multi-valued attribute."),
            Param::required("search", TEXT, "What one of its values must hold."),
            Param::optional("compare", Kinds::WORD, "How letters are compared; vbBinaryCompare when left out.")
                .words(&["vbBinaryCompare", "vbTextCompare"]),
        ],
        returns: Kinds::INTEGER,
        summary: "The place, from 1, of the first value that holds the text; 0 when none does.",
        details: "Made for Item: `Item([proxyAddresses], Contains([proxyAddresses], \"SMTP:\"))`.",
        cloud_sync_only: true,
        can_fail: true,
        examples: &[example(
            r#"Item([proxyAddresses], Contains([proxyAddresses], "SMTP:"))"#,
            r#"{"proxyAddresses": ["smtp:old@x.org", "SMTP:ada@x.org"]}"#,
            r#""SMTP:ada@x.org""#,
        )],
        body: Body::Plain(call!(list::contains)),
        ..FUNCTION
    },
    Spec {
        name: "ConvertFromBase64",
        family: Family::Encoding,
        params: &[
            SOURCE,
            Param::optional("encoding", Kinds::WORD, "What the bytes are; Unicode (UTF-16LE) when left out.")
                .words(&["Unicode", "ASCII", "UTF8"]),
        ],
        returns: MAYBE_TEXT,
        summary: "The text of a Base64 encoding.",
        details: "What is not Base64 is a failure.",
        cloud_sync_only: true,
        can_fail: true,
        examples: &[example(r#"ConvertFromBase64("SABlAGwAbABvAA==")"#, "{}", r#""Hello""#)],
        body: Body::Plain(call!(encoding::from_base64)),
        ..FUNCTION
    },
    Spec {
        name: "ConvertToBase64",
        family: Family::Encoding,
        params: &[SOURCE],
        returns: MAYBE_TEXT,
        summary: "The Base64 of a text's UTF-16LE bytes.",
        details: "Null gives null.",
        examples: &[example(r#"ConvertToBase64("Hello")"#, "{}", r#""SABlAGwAbABvAA==""#)],
        body: Body::Plain(call!(encoding::to_base64)),
        ..FUNCTION
    },
    Spec {
        name: "ConvertToUTF8Hex",
        family: Family::Encoding,
        params: &[SOURCE],
        returns: MAYBE_TEXT,
        summary: "The UTF-8 bytes of a text as hexadecimal digits.",
        details: "Digits are upper-case. Null gives null.",
        examples: &[example(r#"ConvertToUTF8Hex("Zoë")"#, "{}", r#""5A6FC3AB""#)],
        body: Body::Plain(call!(encoding::to_utf8_hex)),
        ..FUNCTION
    },
    Spec {
        name: "Count",
        family: Family::List,
        params: &[Param::required("source", VALUES, "A multi-valued attribute.")],
        returns: Kinds::INTEGER,
        summary: "How many values an attribute has.",
        details: "Null has none, a single value is one.",
        examples: &[
            example("Count([proxyAddresses])", r#"{"proxyAddresses": ["a", "b"]}"#, "2"),
            example("Count([proxyAddresses])", "{}", "0"),
        ],
        body: Body::Plain(call!(list::count)),
        ..FUNCTION
    },
    Spec {
        name: "CStr",
        family: Family::Number,
        params: &[Param::required("value", TEXT, "A number, a boolean or a reference.")],
        returns: MAYBE_TEXT,
        summary: "A value as text.",
        details: "Booleans become True and False. Null gives null.",
        examples: &[example("CStr([accountEnabled])", r#"{"accountEnabled": true}"#, r#""True""#)],
        body: Body::Plain(call!(number::cstr)),
        ..FUNCTION
    },
    Spec {
        name: "DateAdd",
        family: Family::Date,
        params: &[
            Param::required("interval", Kinds::WORD, "yyyy year, m month, d day, ww week, h hour, n minute, s second.")
                .words(date::INTERVALS),
            Param::required("value", NUMBER, "How many; negative goes back."),
            Param::required("date", TEXT, "A date, as CDate takes it."),
        ],
        returns: Kinds::DATE.or(Kinds::NULL),
        summary: "A date moved by an interval.",
        details: "A month's day that does not exist becomes the month's last: 31 January and a month is 28 or 29 February. \
                  A null date gives null.",
        can_fail: true,
        examples: &[
            example(
                r#"DateAdd("d", 7, CDate([hireDate]))"#,
                r#"{"hireDate": "2024-02-26"}"#,
                r#""3/4/2024 12:00:00 AM""#,
            ),
            example(
                r#"DateAdd("m", 1, CDate([hireDate]))"#,
                r#"{"hireDate": "2024-01-31"}"#,
                r#""2/29/2024 12:00:00 AM""#,
            ),
        ],
        body: Body::Prepared { prepare: date::prepare_interval, call: call!(date::date_add) },
        ..FUNCTION
    },
    Spec {
        name: "DateDiff",
        family: Family::Date,
        params: &[
            Param::required("interval", Kinds::WORD, "yyyy year, m month, d day, ww week, h hour, n minute, s second.")
                .words(date::INTERVALS),
            Param::required("date1", TEXT, "The first date."),
            Param::required("date2", TEXT, "The second date."),
        ],
        returns: Kinds::INTEGER.or(Kinds::NULL),
        summary: "How many intervals lie from the first date to the second.",
        details: "Negative when the second is earlier. d, h, n, s are elapsed time cut toward zero; ww counts Sundays; m and yyyy are \
                  differences of the calendar. A null date gives null.",
        can_fail: true,
        examples: &[
            example(
                r#"DateDiff("d", CDate([start]), CDate([end]))"#,
                r#"{"start": "2024-02-28", "end": "2024-03-01"}"#,
                "2",
            ),
            example(
                r#"DateDiff("yyyy", CDate([start]), CDate([end]))"#,
                r#"{"start": "2024-12-31", "end": "2025-01-01"}"#,
                "1",
            ),
        ],
        body: Body::Prepared { prepare: date::prepare_interval, call: call!(date::date_diff) },
        ..FUNCTION
    },
    Spec {
        name: "DateFromNum",
        family: Family::Date,
        params: &[Param::required("value", NUMBER, "An Active Directory time: 100 ns since 1601-01-01 UTC.")],
        returns: Kinds::DATE.or(Kinds::NULL),
        summary: "A date of an Active Directory time.",
        details: "9223372036854775807 (never) and negative numbers are failures. Null gives null.",
        can_fail: true,
        examples: &[example("DateFromNum(129699324000000000)", "{}", r#""1/1/2012 11:00:00 PM""#)],
        body: Body::Plain(call!(date::date_from_num)),
        ..FUNCTION
    },
    Spec {
        name: "DefaultDomain",
        family: Family::Identity,
        returns: Kinds::TEXT,
        summary: "The tenant's default domain.",
        details: "Set under [env] in the mapping file; without it the call is a failure.",
        can_fail: true,
        examples: &[example("DefaultDomain()", "{}", r#""contoso.onmicrosoft.com""#)],
        body: Body::Plain(call!(identity::default_domain)),
        ..FUNCTION
    },
    Spec {
        name: "DNComponent",
        family: Family::Encoding,
        params: &[
            Param::required("dn", TEXT, "A distinguished name."),
            Param::required("number", NUMBER, "Which component, from 1 at the left."),
        ],
        returns: MAYBE_TEXT,
        summary: "The value of a component of a distinguished name.",
        details: "Escapes are undone. Too few components give \"\". Null gives null.",
        cloud_sync_only: true,
        can_fail: true,
        examples: &[example("DNComponent([dn], 2)", r#"{"dn": "CN=Doe\\, Jane,OU=Sales,DC=contoso"}"#, r#""Sales""#)],
        body: Body::Plain(call!(encoding::dn_component)),
        ..FUNCTION
    },
    Spec {
        name: "Error",
        family: Family::Logic,
        params: &[Param::required("message", TEXT, "What to say.")],
        returns: Kinds::ANY,
        summary: "Fails the object with a message.",
        details: "Used in a branch of IIF or Switch that must not be reached.",
        cloud_sync_only: true,
        can_fail: true,
        examples: &[example(
            r#"IIF(IsPresent([accountName]), [accountName], Error("AccountName is required"))"#,
            "{}",
            r#"{"error": "E0704"}"#,
        )],
        body: Body::Plain(call!(identity::error)),
        ..FUNCTION
    },
    Spec {
        name: "FormatDateTime",
        family: Family::Date,
        params: &[
            SOURCE,
            Param::optional(
                "dateTimeStyles",
                MAYBE_TEXT,
                ".NET style names; white space around is allowed when left out.",
            ),
            Param::required("inputFormat", TEXT, "The .NET format the source has."),
            Param::optional("outputFormat", TEXT, "The .NET format wanted."),
        ],
        returns: MAYBE_TEXT,
        summary: "Reads a date in one .NET format and prints it in another.",
        details: "Formats are exact: `hh` wants two digits, `mm` are minutes, letters without a meaning stand for themselves. An offset in \
                  the source (`zzz`, `K`) moves the date to UTC. A source that does not fit is a failure; null gives null. \
                  The older form without dateTimeStyles, with three arguments, is taken too.",
        can_fail: true,
        examples: &[
            example(
                r#"FormatDateTime([d], , "yyyyMMddHHmmss.fZ", "yyyy-MM-dd")"#,
                r#"{"d": "20150123105347.1Z"}"#,
                r#""2015-01-23""#,
            ),
            example(
                r#"FormatDateTime([d], , "yyyy-MM-dd", "d MMMM yyyy")"#,
                r#"{"d": "2024-5-1"}"#,
                r#"{"error": "E0702"}"#,
            ),
        ],
        body: Body::Prepared { prepare: date::prepare_format, call: call!(date::format_date_time) },
        ..FUNCTION
    },
    Spec {
        name: "Guid",
        family: Family::Identity,
        returns: Kinds::TEXT,
        summary: "A new random GUID at each call.",
        details: "Repeats for the same seed, so that plans and tests repeat.",
        pure: false,
        examples: &[example("Len(Guid())", "{}", "36")],
        body: Body::Plain(call!(identity::guid)),
        ..FUNCTION
    },
    Spec {
        name: "IgnoreFlowIfNullOrEmpty",
        family: Family::Logic,
        params: &[Param::required("expression", VALUES, "The value to send when there is one.")],
        returns: VALUES,
        summary: "Leaves the attribute out of this flow when the value is null or empty.",
        details: "The target keeps what it has; it is not cleared.",
        passes_on: true,
        examples: &[
            example("IgnoreFlowIfNullOrEmpty([department])", r#"{"department": "Sales"}"#, r#""Sales""#),
            example("IgnoreFlowIfNullOrEmpty([department])", r#"{"department": ""}"#, r#"{"ignore": "attribute"}"#),
        ],
        body: Body::Plain(call!(logic::ignore_flow)),
        ..FUNCTION
    },
    Spec {
        name: "IIF",
        family: Family::Logic,
        params: &[
            Param::required(
                "condition",
                Kinds::CONDITION.or(Kinds::ANY),
                "A comparison with = <> < <= > >=, or a value that is true or false.",
            ),
            Param::required("valueIfTrue", VALUES, "The result when it holds.").or_empty(),
            Param::required("valueIfFalse", VALUES, "The result when it does not.").or_empty(),
        ],
        returns: VALUES,
        summary: "One of two values.",
        details: "Only the chosen one is evaluated. Null counts as \"\" in a comparison. Microsoft lists `IIF([c] = \"\", …)`, \
                  `IIF(IsNullOrEmpty([c]), …)` and `IIF(IsPresent([c]), …)` as unsupported although its own mappings use them; \
                  `Switch([c], [c], \"\", \"Other\")` says the same.",
        can_fail: true,
        examples: &[
            example(
                r#"IIF([country] = "USA", [country], [department])"#,
                r#"{"country": "USA", "department": "IT"}"#,
                r#""USA""#,
            ),
            example(r#"IIF([country] = "USA", [country], [department])"#, r#"{"department": "IT"}"#, r#""IT""#),
        ],
        body: Body::Lazy(Form::If),
        ..FUNCTION
    },
    Spec {
        name: "InStr",
        params: &[
            Param::required("source", TEXT, "Where to look."),
            Param::required("find", TEXT, "What to look for."),
            Param::optional("start", NUMBER, "Where to begin, from 1."),
            Param::optional(
                "compare",
                Kinds::WORD.or(Kinds::INTEGER),
                "How letters are compared; vbBinaryCompare when left out.",
            )
            .words(&["vbBinaryCompare", "vbTextCompare"]),
        ],
        returns: Kinds::INTEGER,
        summary: "The position, from 1, of a text in another; 0 when it is not there.",
        details: "Counts UTF-16 units. Null is found nowhere.",
        can_fail: true,
        examples: &[
            example(r#"InStr("repEated", "e", 3, vbTextCompare)"#, "{}", "4"),
            example(r#"InStr([mail], "@")"#, r#"{"mail": "ada@contoso.com"}"#, "4"),
        ],
        body: Body::Plain(call!(text::in_str)),
        ..FUNCTION
    },
    Spec {
        name: "IsNull",
        family: Family::Logic,
        params: &[Param::required("expression", VALUES, "Usually an attribute.")],
        returns: Kinds::BOOLEAN,
        summary: "True when the attribute is absent or null.",
        details: "\"\" is not null.",
        examples: &[example("IsNull([mail])", "{}", "true"), example("IsNull([mail])", r#"{"mail": ""}"#, "false")],
        body: Body::Plain(call!(logic::is_null)),
        ..FUNCTION
    },
    Spec {
        name: "IsNullOrEmpty",
        family: Family::Logic,
        params: &[Param::required("expression", VALUES, "Usually an attribute.")],
        returns: Kinds::BOOLEAN,
        summary: "True when the attribute is absent, null or \"\".",
        details: "A list without values is empty too.",
        examples: &[
            example("IsNullOrEmpty([mail])", r#"{"mail": ""}"#, "true"),
            example("IsNullOrEmpty([mail])", r#"{"mail": "a"}"#, "false"),
        ],
        body: Body::Plain(call!(logic::is_null_or_empty)),
        ..FUNCTION
    },
    Spec {
        name: "IsPresent",
        family: Family::Logic,
        params: &[Param::required("expression", VALUES, "Usually an attribute.")],
        returns: Kinds::BOOLEAN,
        summary: "True when the attribute has a value.",
        details: "The opposite of IsNullOrEmpty.",
        examples: &[
            example("IsPresent([mail])", r#"{"mail": "a"}"#, "true"),
            example("IsPresent([mail])", "{}", "false"),
        ],
        body: Body::Plain(call!(logic::is_present)),
        ..FUNCTION
    },
    Spec {
        name: "IsString",
        family: Family::Logic,
        params: &[Param::required("expression", VALUES, "Any value.")],
        returns: Kinds::BOOLEAN,
        summary: "True when CStr would give a text.",
        details: "Null, lists and complex values give False.",
        examples: &[
            example("IsString([accountEnabled])", r#"{"accountEnabled": true}"#, "true"),
            example("IsString([mail])", "{}", "false"),
        ],
        body: Body::Plain(call!(logic::is_string)),
        ..FUNCTION
    },
    Spec {
        name: "Item",
        family: Family::List,
        params: &[
            Param::required("source", VALUES, "A multi-valued attribute."),
            Param::required("index", NUMBER, "Which value, from 1."),
        ],
        returns: VALUES,
        summary: "One value of a multi-valued attribute.",
        details: "A place that is not there is a failure; null gives null.",
        can_fail: true,
        examples: &[
            example(r#"Item(Split([mail], "@"), 2)"#, r#"{"mail": "ada@contoso.com"}"#, r#""contoso.com""#),
            example("Item([proxyAddresses], 3)", r#"{"proxyAddresses": ["a", "b"]}"#, r#"{"error": "E0703"}"#),
        ],
        body: Body::Plain(call!(list::item)),
        ..FUNCTION
    },
    Spec {
        name: "Join",
        params: &[
            Param::required("separator", TEXT, "What stands between two values; may be \"\"."),
            Param::required("source", VALUES, "Values to join; a list counts as its values."),
        ],
        repeat: Repeat::Last(1),
        returns: Kinds::TEXT,
        summary: "Values joined to one text.",
        details: "Null and \"\" are passed over, together with their separator; a blank is not.",
        can_fail: true,
        examples: &[
            example(
                r#"Join(", ", [surname], [givenName])"#,
                r#"{"surname": "Lovelace", "givenName": "Ada"}"#,
                r#""Lovelace, Ada""#,
            ),
            example(r#"Join(", ", [surname], [givenName])"#, r#"{"surname": "Lovelace"}"#, r#""Lovelace""#),
        ],
        body: Body::Plain(call!(text::join)),
        ..FUNCTION
    },
    Spec {
        name: "Left",
        params: &[SOURCE, Param::required("numChars", NUMBER, "How many characters.")],
        summary: "The first characters of a text.",
        details: "0 gives \"\", a negative number the whole text, null \"\". Counts UTF-16 units; half a character is never kept.",
        can_fail: true,
        examples: &[
            example("Left([displayName], 3)", r#"{"displayName": "John Doe"}"#, r#""Joh""#),
            example("Left([displayName], -1)", r#"{"displayName": "John Doe"}"#, r#""John Doe""#),
        ],
        body: Body::Plain(call!(text::left)),
        ..FUNCTION
    },
    Spec {
        name: "Len",
        params: &[SOURCE],
        returns: Kinds::INTEGER,
        summary: "How long a text is.",
        details: "Counts UTF-16 units, as .NET does: an emoji is two. Null is 0.",
        examples: &[example(r#"Len("John Doe")"#, "{}", "8")],
        body: Body::Plain(call!(text::len)),
        ..FUNCTION
    },
    Spec {
        name: "Mid",
        params: &[
            SOURCE,
            Param::required("start", NUMBER, "Where to begin, from 1."),
            Param::required("length", NUMBER, "How many characters."),
        ],
        summary: "A part of a text.",
        details: "Runs to the end when the length is too long. A start behind the end gives \"\"; a start below 1 or a negative length the \
                  whole text; null \"\". Counts UTF-16 units.",
        can_fail: true,
        examples: &[
            example("Mid([userPrincipalName], 1, 3)", r#"{"userPrincipalName": "ada@contoso.com"}"#, r#""ada""#),
            example(
                "Mid([userPrincipalName], 5, 999)",
                r#"{"userPrincipalName": "ada@contoso.com"}"#,
                r#""contoso.com""#,
            ),
        ],
        body: Body::Plain(call!(text::mid)),
        ..FUNCTION
    },
    Spec {
        name: "NormalizeDiacritics",
        params: &[SOURCE],
        returns: MAYBE_TEXT,
        summary: "A text without accents.",
        details: "ä ö ü å become a o u a; ß ss, æ ae, ø oe, ł l, ı i. Letters without a base letter (đ, þ, ħ) stay. Null gives null.",
        examples: &[
            example("NormalizeDiacritics([givenName])", r#"{"givenName": "Zoë"}"#, r#""Zoe""#),
            example("NormalizeDiacritics([surname])", r#"{"surname": "Łęcki"}"#, r#""Lecki""#),
        ],
        body: Body::Prepared { prepare: bytes::same, call: call!(text::normalize_diacritics) },
        ..FUNCTION
    },
    Spec {
        name: "Not",
        family: Family::Logic,
        params: &[Param::required("source", TEXT, "A boolean.")],
        returns: Kinds::BOOLEAN,
        summary: "False for True, True for everything else.",
        details: "Case-sensitive: `true` in small letters is not True. Null gives True.",
        examples: &[
            example("Not([IsSoftDeleted])", r#"{"IsSoftDeleted": "True"}"#, "false"),
            example("Not([IsSoftDeleted])", "{}", "true"),
        ],
        body: Body::Plain(call!(logic::not)),
        ..FUNCTION
    },
    Spec {
        name: "Now",
        family: Family::Date,
        returns: Kinds::DATE,
        summary: "The time of the run, as UTC text `M/d/yyyy h:mm:ss tt`.",
        details: "One run has one time, whatever it takes.",
        pure: false,
        examples: &[example(r#"DateDiff("d", Now(), Now())"#, "{}", "0")],
        body: Body::Plain(call!(date::now)),
        ..FUNCTION
    },
    Spec {
        name: "NumFromDate",
        family: Family::Date,
        params: &[Param::required("value", TEXT, "A date, as CDate takes it.")],
        returns: Kinds::INTEGER.or(Kinds::NULL),
        summary: "A date as an Active Directory time: 100 ns since 1601-01-01 UTC.",
        details: "Earlier dates are failures. Null gives null.",
        can_fail: true,
        examples: &[example(r#"NumFromDate("2020-12-31 23:59:59-08:00")"#, "{}", "132539615990000000")],
        body: Body::Plain(call!(date::num_from_date)),
        ..FUNCTION
    },
    Spec {
        name: "PCase",
        params: &[
            SOURCE,
            Param::optional(
                "wordSeparators",
                TEXT,
                "The characters that end a word; Unicode's blanks, punctuation and symbols when left out.",
            ),
        ],
        returns: MAYBE_TEXT,
        summary: "Lower-case, with each word's first letter in upper case.",
        details: "Without separators words are cut as .NET's ToTitleCase does: an ASCII apostrophe stays inside a word. Null gives null.",
        examples: &[
            example("PCase([name])", r#"{"name": "MARY-ANN VAN DER BERG"}"#, r#""Mary-Ann Van Der Berg""#),
            example(r#"PCase([name], " ")"#, r#"{"name": "mary-ann smith"}"#, r#""Mary-ann Smith""#),
        ],
        body: Body::Plain(call!(text::pcase)),
        ..FUNCTION
    },
    Spec {
        name: "RandomString",
        family: Family::Identity,
        params: &[
            Param::required("length", NUMBER, "How long, up to 256."),
            Param::required("minimumNumbers", NUMBER, "At least so many digits."),
            Param::required("minimumSpecialCharacters", NUMBER, "At least so many special characters."),
            Param::required("minimumCapital", NUMBER, "At least so many capital letters."),
            Param::required("minimumLowerCase", NUMBER, "At least so many small letters."),
            Param::optional("charactersToAvoid", TEXT, "Characters that must not come."),
        ],
        returns: Kinds::TEXT,
        summary: "A random text that satisfies a complexity rule.",
        details: "The length must be at least the sum of the minimums. Repeats for the same seed.",
        pure: false,
        can_fail: true,
        examples: &[
            example("Len(RandomString(6, 3, 0, 0, 3))", "{}", "6"),
            example("RandomString(3, 2, 1, 1, 0)", "{}", r#"{"error": "E0707"}"#),
        ],
        body: Body::Plain(call!(identity::random_string)),
        ..FUNCTION
    },
    Spec {
        name: "Redact",
        family: Family::Identity,
        params: &[Param::required("expression", VALUES, "The value to send.")],
        returns: VALUES,
        summary: "Sends the value and shows [Redact] in logs.",
        details: "The value is what it was.",
        passes_on: true,
        redacts: true,
        examples: &[example("Redact([employeeId])", r#"{"employeeId": "4711"}"#, r#""4711""#)],
        body: Body::Plain(call!(identity::redact)),
        ..FUNCTION
    },
    Spec {
        name: "RemoveDuplicates",
        family: Family::List,
        params: &[Param::required("source", VALUES, "A multi-valued attribute.")],
        returns: VALUES,
        summary: "The values without repetitions.",
        details: "The first of equal values stays; letter case counts.",
        passes_on: true,
        examples: &[example("RemoveDuplicates([x])", r#"{"x": ["a", "b", "a"]}"#, r#"["a", "b"]"#)],
        body: Body::Plain(call!(list::remove_duplicates)),
        ..FUNCTION
    },
    Spec {
        name: "Replace",
        family: Family::Replace,
        params: &[
            SOURCE,
            Param::optional("oldValue", TEXT, "The text to look for."),
            Param::optional("regexPattern", TEXT, "The .NET pattern to look for."),
            Param::optional("regexGroupName", TEXT, "The group whose span is meant."),
            Param::optional(
                "replacementValue",
                TEXT,
                "What comes in its place; with a pattern, ${name} and $1 stand for groups.",
            ),
            Param::optional(
                "replacementAttributeName",
                TEXT,
                "The attribute to take the group from when the source is empty.",
            ),
            Param::optional("template", TEXT, "A text in which oldValue becomes the source."),
        ],
        returns: MAYBE_TEXT,
        summary: "Replaces text, in one of five modes.",
        details: "oldValue + replacementValue: every occurrence. oldValue + template: every occurrence in the template becomes the source. \
                  regexPattern + replacementValue: every match. regexPattern + regexGroupName + replacementValue: only the group's span. \
                  regexPattern + regexGroupName + replacementAttributeName: the source, or when it is empty the group found in the attribute. \
                  Case-sensitive; what does not match stays; null gives null. A pattern that matches the empty text also matches at the end.",
        can_fail: true,
        examples: &[
            example(r#"Replace([mail], "@contoso.com", , , "", , )"#, r#"{"mail": "ada@contoso.com"}"#, r#""ada""#),
            example(r#"Replace([id], "%u", , , , , "home/%u")"#, r#"{"id": "ada"}"#, r#""home/ada""#),
            example(
                r#"Replace([phone], , "\\+(?<code>\\d* )(?<number>\\d{10})", , "${number}", , )"#,
                r#"{"phone": "+91 9998887777"}"#,
                r#""9998887777""#,
            ),
            example(
                r#"Replace([upn], , "(?<suffix>@(.)*)", "suffix", "", , )"#,
                r#"{"upn": "ada@contoso.com"}"#,
                r#""ada""#,
            ),
            example(
                r#"Replace([phone], , "^(?<u>[^@]+)@", "u", , [mail], )"#,
                r#"{"mail": "ada@contoso.com"}"#,
                r#""ada""#,
            ),
        ],
        body: Body::Prepared { prepare: replace::prepare, call: call!(replace::call) },
        ..FUNCTION
    },
    Spec {
        name: "SelectUniqueValue",
        family: Family::Identity,
        params: &[Param::required("uniqueValueRule", TEXT, "A candidate; tried from left to right.")],
        repeat: Repeat::Last(2),
        returns: MAYBE_TEXT,
        summary: "The first candidate that no object of the target has.",
        details: "Must be the outermost function, and the rule must apply on creation only. Candidates are compared without letter case; \
                  null and empty ones are passed over. When all are taken the record fails.",
        placement: Placement::Outermost,
        pure: false,
        can_fail: true,
        examples: &[example(
            r#"SelectUniqueValue(Join(".", [first], [last]), Join(".", [first], "1", [last]))"#,
            r#"{"first": "ada", "last": "lovelace"}"#,
            r#""ada.lovelace""#,
        )],
        body: Body::Lazy(Form::Unique),
        ..FUNCTION
    },
    Spec {
        name: "SingleAppRoleAssignment",
        family: Family::Role,
        params: &[Param::required("source", ROLES, "The attribute [appRoleAssignments].")],
        returns: MAYBE_TEXT,
        summary: "The name of the app role, as text.",
        details: "For apps in which a user has one role: with several Entra gives no order. No role gives null. Not to be used with the \
                  scope \"Sync all\".",
        can_fail: true,
        examples: &[example(
            "SingleAppRoleAssignment([appRoleAssignments])",
            r#"{"appRoleAssignments": [{"value": "r", "displayName": "Reader"}]}"#,
            r#""Reader""#,
        )],
        body: Body::Plain(call!(roles::single)),
        ..FUNCTION
    },
    Spec {
        name: "Split",
        family: Family::List,
        params: &[SOURCE, Param::required("delimiter", TEXT, "What stands between two values.")],
        returns: Kinds::LIST.or(Kinds::NULL),
        summary: "A text cut into a list.",
        details: "Blanks around the values go, empty values stay. Null gives null.",
        can_fail: true,
        examples: &[example(r#"Split([x], ",")"#, r#"{"x": "one, two"}"#, r#"["one", "two"]"#)],
        body: Body::Plain(call!(text::split)),
        ..FUNCTION
    },
    Spec {
        name: "StringFromSid",
        family: Family::Encoding,
        params: &[Param::required("sid", TEXT, "The bytes of a security identifier, as Base64.")],
        returns: MAYBE_TEXT,
        summary: "A security identifier as S-1-5-… text.",
        details: "A text that is one already stays. Null gives null.",
        cloud_sync_only: true,
        can_fail: true,
        examples: &[example("StringFromSid([objectSid])", r#"{"objectSid": "AQEAAAAAAAUSAAAA"}"#, r#""S-1-5-18""#)],
        body: Body::Plain(call!(encoding::string_from_sid)),
        ..FUNCTION
    },
    Spec {
        name: "StripSpaces",
        params: &[SOURCE],
        returns: MAYBE_TEXT,
        summary: "A text without its blanks (U+0020).",
        details: "Other white space stays. Null gives null.",
        examples: &[example("StripSpaces([x])", r#"{"x": " J o e "}"#, r#""Joe""#)],
        body: Body::Prepared { prepare: bytes::without_spaces, call: call!(text::strip_spaces) },
        ..FUNCTION
    },
    Spec {
        name: "Switch",
        family: Family::Logic,
        params: &[
            Param::required("source", TEXT, "The value to look at."),
            Param::optional("defaultValue", VALUES, "The result when no key matches; may be left empty."),
            Param::required("key", TEXT, "A value the source may have; \"\" also stands for null."),
            Param::required("value", VALUES, "The result for that key.").or_empty(),
        ],
        repeat: Repeat::LastPair,
        returns: VALUES,
        summary: "The value that belongs to the source's.",
        details: "Keys are compared case-sensitively, from left to right; booleans are True and False. Only the chosen value is evaluated. \
                  No match and no default give null.",
        can_fail: true,
        examples: &[
            example(
                r#"Switch([IsSoftDeleted], , "False", "True", "True", "False")"#,
                r#"{"IsSoftDeleted": "False"}"#,
                r#""True""#,
            ),
            example(r#"Switch([country], [country], "", "Other")"#, "{}", r#""Other""#),
        ],
        body: Body::Lazy(Form::Switch),
        ..FUNCTION
    },
    Spec {
        name: "ToLower",
        params: &[
            SOURCE,
            Param::optional("culture", TEXT, "A culture such as \"tr-TR\"; the invariant one when left out."),
        ],
        returns: MAYBE_TEXT,
        summary: "A text in lower case.",
        details: "Letter by letter, as .NET does: ß stays, Σ is always σ. Null gives null. A change of case alone reaches a target only \
                  when its attribute is case-exact.",
        can_fail: true,
        examples: &[example("ToLower([mail])", r#"{"mail": "Ada@Contoso.com"}"#, r#""ada@contoso.com""#)],
        body: Body::Prepared { prepare: bytes::lower, call: call!(text::to_lower) },
        ..FUNCTION
    },
    Spec {
        name: "ToUpper",
        params: &[
            SOURCE,
            Param::optional("culture", TEXT, "A culture such as \"tr-TR\"; the invariant one when left out."),
        ],
        returns: MAYBE_TEXT,
        summary: "A text in upper case.",
        details: "Letter by letter, as .NET does: ß stays. Null gives null.",
        can_fail: true,
        examples: &[example("ToUpper([country])", r#"{"country": "ch"}"#, r#""CH""#)],
        body: Body::Prepared { prepare: bytes::upper, call: call!(text::to_upper) },
        ..FUNCTION
    },
    Spec {
        name: "Trim",
        params: &[Param::required("value", Kinds::ANY, "A text, or a list of texts.")],
        returns: Kinds::TEXT.or(Kinds::LIST).or(Kinds::NULL),
        summary: "A text without white space at its ends.",
        details: "Of a list, each value. Null gives null.",
        cloud_sync_only: true,
        can_fail: true,
        examples: &[
            example("Trim([x])", r#"{"x": "  ada "}"#, r#""ada""#),
            example("Trim([x])", r#"{"x": [" a ", " b"]}"#, r#"["a", "b"]"#),
        ],
        body: Body::Plain(call!(text::trim)),
        ..FUNCTION
    },
    Spec {
        name: "Word",
        params: &[
            SOURCE,
            Param::required("wordNumber", NUMBER, "Which word, from 1."),
            Param::required("delimiters", TEXT, "Each of its characters ends a word."),
        ],
        summary: "One word of a text.",
        details: "A run of delimiters counts once. Too few words, a number below 1 and null give \"\".",
        can_fail: true,
        examples: &[
            example(r#"Word("The quick brown fox", 3, " ")"#, "{}", r#""brown""#),
            example(r#"Word([mail], 2, "@.")"#, r#"{"mail": "ada@contoso.com"}"#, r#""contoso""#),
        ],
        body: Body::Plain(call!(text::word)),
        ..FUNCTION
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_row_is_documented() {
        let names: Vec<String> = TABLE.iter().map(|spec| spec.name.to_ascii_lowercase()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for spec in TABLE {
            assert!(!spec.summary.is_empty() && !spec.examples.is_empty(), "{} lacks documentation", spec.name);
            assert!(spec.params.iter().all(|param| param.doc.ends_with('.')), "{}: parameters", spec.name);
            assert!(!(spec.repeat == Repeat::LastPair && spec.params.len() < 2), "{}: pairs", spec.name);
        }
    }
}
