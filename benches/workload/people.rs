//! Made-up people as Microsoft Graph shows users: one JSON object a line, the same bytes for the same number and seed.
//!
//! 29 attributes, of which a person has 26 or 27; about 850 bytes a line. The rates of missing and null attributes, of
//! other alphabets and of escapes are those of `users.py`, the names and places are not.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

const GIVEN: &[&str] = &[
    "Alice",
    "Aurélie",
    "Bartłomiej",
    "Bernard",
    "Beyoncé",
    "Caitlín",
    "Carlos",
    "Clara",
    "Dorothée",
    "Edward",
    "Éloïse",
    "Emil",
    "Fiona",
    "Frank",
    "Gabriel",
    "Gökhan",
    "Hélène",
    "Henry",
    "Ingeborg",
    "Ioana",
    "Işıl",
    "Jan Willem",
    "Jane",
    "Jörg",
    "Kateřina",
    "Kåre",
    "Laura",
    "Luís Miguel",
    "Mads",
    "Marie-Claire",
    "Mindaugas",
    "Niamh",
    "Olaf",
    "Paul",
    "Quỳnh",
    "Rósa",
    "Stephen",
    "Tomás",
    "Ursula",
    "Zdeněk",
    "花子",
    "Δήμητρα",
];

const SURNAMES: &[&str] = &[
    "Adams",
    "Ågren",
    "Baker",
    "Błaszczyk",
    "Clark",
    "Cooper",
    "Çetin",
    "D'Angelo",
    "de la Cruz",
    "Dürrenmatt",
    "Edwards",
    "Eriksen",
    "Fischer",
    "Groß",
    "Hall",
    "Håkansson",
    "Harris",
    "Hughes",
    "İnönü",
    "Jiménez",
    "King",
    "Kučera",
    "Lewis",
    "Łukasik",
    "Mac Giolla Bhríde",
    "Mitchell",
    "Morgan",
    "Müller-Thurgau",
    "Núñez",
    "O'Connor",
    "Ødegård",
    "Parker",
    "Peña",
    "Quinn",
    "Roberts",
    "Sigurðardóttir",
    "St. Clair",
    "Walker",
    "鈴木",
    "Γεωργίου",
];

const TITLES: &[&str] = &[
    "Architect",
    "Buyer",
    "Chargé d'affaires",
    "Director, Finance",
    "Head – Logistics",
    "Nurse",
    "Project Manager",
    "Senior Accountant",
    "Trainee",
];

const DEPARTMENTS: &[&str] = &[
    "Accounting",
    "Buying & Stock",
    "Customer Services",
    "Forschung & Lehre",
    "IT",
    "Logistics",
    "M&A",
    "Production",
    "Quality",
];

const COMPANIES: &[&str] =
    &["Tailspin Toys", "Wingtip \"Europe\" Ltd", "Litware, Inc.", "Björk & Söner AB", "Alpine Ski House"];

/// City, state, postal code, country.
const PLACES: &[[&str; 4]] = &[
    ["Boston", "MA", "02108", "US"],
    ["Dublin", "Leinster", "D02 X285", "IE"],
    ["Düsseldorf", "Nordrhein-Westfalen", "40213", "DE"],
    ["Genève", "Genève", "1204", "CH"],
    ["Łódź", "Łódzkie", "90-001", "PL"],
    ["Málaga", "Málaga", "29001", "ES"],
    ["大阪", "大阪府", "530-0001", "JP"],
    ["Québec", "QC", "G1R 1A1", "CA"],
];

const STREETS: &[&str] = &[
    "Station Road",
    "Queen's Parade",
    "Rue de l'Hôpital",
    "Goethestraße",
    "Calle Mayor",
    "Passeig de Gràcia",
    "Storgatan",
];

const DOMAINS: &[&str] = &["contoso.example", "Contoso.EXAMPLE", "eu.contoso.example", "litware.example"];
const LANGUAGES: &[&str] = &["en-US", "en-IE", "de-CH", "fr-CA", "pl-PL", "es-ES", "ja-JP", "sv-SE"];

/// How often, in tenths of a percent, an attribute is missing, and how often it is null when it is not.
const GAPS: &[(&str, u64, u64)] = &[
    ("mail", 80, 40),
    ("mobile", 250, 100),
    ("companyName", 50, 100),
    ("displayName", 60, 40),
    ("givenName", 10, 10),
    ("surname", 10, 10),
    ("jobTitle", 80, 40),
    ("department", 40, 40),
    ("manager", 100, 100),
    ("telephoneNumber", 100, 50),
    ("streetAddress", 100, 20),
    ("city", 30, 20),
    ("state", 100, 40),
    ("postalCode", 40, 10),
    ("country", 30, 10),
    ("preferredLanguage", 150, 50),
    ("employeeId", 40, 10),
    ("mailNickname", 20, 10),
    ("proxyAddresses", 80, 0),
    ("extensionAttribute1", 100, 30),
    ("extensionAttribute2", 300, 50),
    ("extensionAttribute3", 400, 50),
    ("IsSoftDeleted", 5, 3),
    ("physicalDeliveryOfficeName", 200, 50),
];

/// A 64-bit linear congruential generator; the upper half of its state is used.
struct Dice(u64);

impl Dice {
    fn new(seed: u64, index: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0xda94_2042_e4dd_58b5) ^ index.wrapping_mul(0x9e6c_63d0_876a_46ad));
        // Neighbouring people differ in few bits of the state; some rolls spread them.
        for _ in 0..4 {
            dice.below(2);
        }
        dice
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) % bound
    }

    /// True that often in a thousand.
    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn guid(&mut self) -> String {
        let mut digits = String::with_capacity(36);
        for _ in 0..4 {
            let _ = write!(digits, "{:08x}", self.below(1 << 32));
        }
        digits.replace_range(12..13, "4");
        digits.replace_range(16..17, "a");
        for hyphen in [20, 16, 12, 8] {
            digits.insert(hyphen, '-');
        }
        digits
    }
}

/// Person number `index`, and whether the line is to be written in ASCII.
fn person(index: u64, seed: u64) -> (Map<String, Value>, bool) {
    let dice = &mut Dice::new(seed, index);
    let (given, surname, [city, state, postal_code, country]) =
        (dice.pick(GIVEN), dice.pick(SURNAMES), dice.pick(PLACES));
    let (alias, domain) = (format!("p{index:07}"), dice.pick(DOMAINS));
    let login = if dice.chance(500) { alias.clone() } else { alias.to_uppercase() };

    let mut proxies = vec![format!("SMTP:{alias}@{domain}")];
    for number in 0..dice.below(4) {
        proxies.push(format!("smtp:{}.{number}@{domain}", dice.pick(&["b", "former", "nick"])));
    }
    if dice.chance(20) {
        proxies = vec![format!("smtp:y{index}@{domain}"), format!("x500:/o=litware/cn={alias}")];
    }
    let street = if dice.chance(40) {
        format!("{} \"{}\"\nÉtage {}", dice.below(99), dice.pick(STREETS), dice.below(9))
    } else {
        format!("{} {}", 1 + dice.below(200), dice.pick(STREETS))
    };
    let cost_center = if dice.chance(30) {
        dice.pick(&["KS-4", "KS", "", "KS-8é-Y"]).to_owned()
    } else {
        format!("KS-{:05}-{country}", dice.below(100_000))
    };

    let fields = json!({
        "objectId": dice.guid(),
        "userPrincipalName": format!("{}{login}@{domain}", dice.pick(&["", "", "X.", "Svc-"])),
        "mail": format!("{}.{index}@{domain}", dice.pick(&["desk", "Given.Family", "post"])),
        "mailNickname": alias,
        "displayName": format!("{surname}, {given}"),
        "givenName": given,
        "surname": surname,
        "jobTitle": dice.pick(TITLES),
        "department": dice.pick(DEPARTMENTS),
        "companyName": dice.pick(COMPANIES),
        "employeeId": format!("{:08}", 20_000_000 + index),
        "telephoneNumber": format!(
            "+{} ({:03}) {:03}-{:04}", 1 + dice.below(60), dice.below(1000), dice.below(1000), dice.below(10_000)
        ),
        "mobile": format!("+{} {}", 1 + dice.below(60), 100_000_000 + dice.below(800_000_000)),
        "streetAddress": street,
        "city": city,
        "state": state,
        "postalCode": postal_code,
        "country": country,
        "preferredLanguage": dice.pick(LANGUAGES),
        "usageLocation": country,
        "physicalDeliveryOfficeName": format!("Wing {} / {}", dice.below(40), dice.below(9000)),
        "accountEnabled": !dice.chance(80),
        "IsSoftDeleted": dice.chance(70),
        "createdDateTime": format!(
            "20{:02}-{:02}-{:02}T09:{:02}:00Z", dice.below(26), 1 + dice.below(12), 1 + dice.below(28), dice.below(60)
        ),
        "proxyAddresses": proxies,
        "extensionAttribute1": cost_center,
        "extensionAttribute2": dice.pick(&["amber", "silver", "copper"]),
        "extensionAttribute3": format!("site={city};level={}", dice.below(30)),
        "manager": dice.guid(),
    });
    let Value::Object(mut fields) = fields else { unreachable!("json! was given an object") };
    for (name, missing, null) in GAPS {
        if dice.chance(*missing) {
            fields.shift_remove(*name);
        } else if dice.chance(*null) {
            fields[*name] = Value::Null;
        }
    }
    (fields, dice.chance(50))
}

/// `count` people as JSONL.
pub(crate) fn jsonl(count: usize, seed: u64) -> String {
    let mut out = String::with_capacity(count * 900);
    for index in 0..count {
        let (fields, ascii) = person(index as u64, seed);
        let line = Value::Object(fields).to_string();
        if ascii {
            push_ascii(&line, &mut out);
        } else {
            out.push_str(&line);
        }
        out.push('\n');
    }
    out
}

/// JSON text with every character beyond ASCII as `\u` escapes. Such characters stand in strings only.
fn push_ascii(json: &str, out: &mut String) {
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}
