#!/usr/bin/env python3
"""Makes the example people: users.jsonl, users.csv, groups.jsonl and workers.jsonl, beside this file.

Nobody in them exists. The result is the same on every machine and with every Python: the only chance is a small
generator of our own. Run it again after a change and commit what it writes.

    python3 examples/make_users.py            write the files
    python3 examples/make_users.py --check    exit 1 if a file is not what would be written
"""

import csv
import io
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
USERS, GROUPS, WORKERS, CSV_ROWS = 1500, 40, 50, 100
DOMAIN = "contoso.example"


class Dice:
    """A 64-bit linear congruential generator; the upper half of the state is what is used."""

    def __init__(self, seed):
        self.state = seed

    def roll(self, sides):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % sides

    def one_in(self, sides):
        return self.roll(sides) == 0

    def pick(self, items):
        return items[self.roll(len(items))]

    def guid(self):
        digits = "".join("%04x" % self.roll(65536) for _ in range(8))
        return "%s-%s-4%s-a%s-%s" % (digits[:8], digits[8:12], digits[13:16], digits[17:20], digits[20:])


# Where people are: country code, country, city, region, a postal code, street, dialling code, language, names.
# A name is a text, or a pair of the name and its Latin spelling for the account.
PLACES = [
    ("NL", "Netherlands", "Utrecht", "Utrecht", "35{0} AB", "Oudegracht {1}", "+31 30", "nl-NL",
     "Anouk Bram Carlijn Daan Fenna Gijs Hidde Lotte Maaike Noortje Ruben Sjoerd Tijmen Yfke Zoë".split(),
     ["Aalbers", "van den Brink", "Dijkstra", "Groeneveld", "in 't Veld", "Kuipers", "de Lange", "Oosterhuis", "Terpstra", "Visser"]),
    ("PT", "Portugal", "Porto", "Norte", "40{0}-322", "Rua das Taipas {1}", "+351 22", "pt-PT",
     "Afonso Beatriz Catarina Duarte Inês João Leonor Matilde Nuno Rúben Simão Tomás Vitória".split(),
     ["Araújo", "Brandão", "Conceição", "Figueiredo", "Guimarães", "Leitão", "de Magalhães", "Simões", "Valadão"]),
    ("DE", "Germany", "Leipzig", "Sachsen", "04{0}9", "Käthe-Kollwitz-Straße {1}", "+49 341", "de-DE",
     "Annika Bärbel Corinna Dörte Fabian Götz Henrike Jörg Ludger Mareike Rüdiger Silke Uwe".split(),
     ["Böttcher", "Fröhlich", "Großmann", "Hölzl", "Krüger", "Meißner", "Pfäffle", "Schäuble", "von der Tann", "Weiß"]),
    ("PL", "Poland", "Łódź", "łódzkie", "90-{0}", "ul. Piotrkowska {1}", "+48 42", "pl-PL",
     "Agnieszka Bożena Czesław Grażyna Łukasz Małgorzata Paweł Stanisław Wojciech Zbigniew Żaneta".split(),
     ["Błaszczyk", "Dąbrowska", "Gołębiowski", "Jędrzejczak", "Kołodziej", "Szczęsny", "Wójcik", "Zawiślak", "Żurawski"]),
    ("IE", "Ireland", "Galway", "Connacht", "H91 {0}", "{1} Shop Street", "+353 91", "en-IE",
     "Aoife Bríd Cian Dáithí Eimear Fionnuala Gráinne Lorcan Niamh Oisín Ruairí Saoirse".split(),
     ["O'Connell", "Mac Giolla", "O’Dowd", "Ní Bhriain", "Fitzgerald", "O'Shaughnessy", "McNamara", "D'Arcy", "Ó Sé"]),
    ("DK", "Denmark", "Ærøskøbing", "Syddanmark", "597{2}", "Søndergade {1}", "+45 62", "da-DK",
     "Astrid Bjørn Frederikke Jørgen Kåre Løvise Mærsk Søren Torbjørn Åse".split(),
     ["Bødker", "Grøn", "Hækkerup", "Kjærgaard", "Møller", "Nørgaard", "Østergård", "Skovbæk"]),
    ("TR", "Türkiye", "İzmir", "İzmir", "350{2}0", "Kıbrıs Şehitleri Cd. {1}", "+90 232", "tr-TR",
     "Ayşegül Barış Çağla Doğan Gökçe Işıl İlker Nilüfer Şükrü Tuğba Ümit".split(),
     ["Akyıldız", "Çelik", "Doğanay", "Gümüş", "Kılıç", "Öztürk", "Şahin", "Ünal", "Yıldırım"]),
    ("IN", "India", "Pune", "Maharashtra", "4110{0}", "{1} Fergusson College Road", "+91 20", "en-IN",
     "Aarti Bhavesh Chaitanya Deepa Gauri Harish Kavya Manoj Nandini Rohan Sneha Tejas Vaishnavi".split(),
     ["Apte", "Bhosale", "Deshpande", "Gokhale", "Iyer", "Kulkarni", "Phadke", "Ranade", "Subramaniam"]),
    ("US", "United States", "Duluth", "MN", "558{0}", "{1} Superior Street", "+1 218", "en-US",
     "Abigail Brandon Chloe Dwayne Emily Gregory Hannah José Kayla Logan Marcus Renée Tyler".split(),
     ["Anderson", "Begay", "Carter-Hughes", "D'Angelo", "Freeman", "Hernández", "Nakamura", "St. Clair", "Washington"]),
    ("VN", "Viet Nam", "Huế", "Thừa Thiên Huế", "530{0}", "{1} Lê Lợi", "+84 234", "vi-VN",
     "Bình Chi Dung Hà Khánh Linh Minh Ngọc Phương Quỳnh Thảo Việt".split(),
     ["Bùi", "Đặng", "Hồ", "Lê", "Nguyễn", "Phạm", "Trần", "Vũ"]),
    ("UA", "Ukraine", "Львів", "Львівська", "79{0}", "вул. Городоцька {1}", "+380 32", "uk-UA",
     [("Богдан", "Bohdan"), ("Дарина", "Daryna"), ("Ярослав", "Yaroslav"), ("Олена", "Olena"), ("Соломія", "Solomiia"), ("Тарас", "Taras")],
     [("Бондаренко", "Bondarenko"), ("Коваль", "Koval"), ("Лисенко", "Lysenko"), ("Шевчук", "Shevchuk"), ("Дем'яненко", "Demianenko")]),
    ("GR", "Greece", "Πάτρα", "Δυτική Ελλάδα", "262{2}1", "Μαιζώνος {1}", "+30 261", "el-GR",
     [("Αγγελική", "Angeliki"), ("Γιώργος", "Giorgos"), ("Ελένη", "Eleni"), ("Νίκος", "Nikos"), ("Σοφία", "Sofia")],
     [("Βασιλείου", "Vasileiou"), ("Γεωργίου", "Georgiou"), ("Οικονόμου", "Oikonomou"), ("Παππάς", "Pappas")]),
    ("JP", "Japan", "札幌市", "北海道", "060-{0}", "中央区北{1}条", "+81 11", "ja-JP",
     [("陽菜", "Hina"), ("大輝", "Daiki"), ("美咲", "Misaki"), ("健太", "Kenta"), ("さくら", "Sakura")],
     [("佐々木", "Sasaki"), ("高橋", "Takahashi"), ("山口", "Yamaguchi"), ("渡辺", "Watanabe")]),
    ("AE", "United Arab Emirates", "Sharjah", "Sharjah", None, "Al Wahda {1}", "+971 6", "ar-AE",
     [("ليلى", "Layla"), ("خالد", "Khalid"), ("مريم", "Maryam"), ("يوسف", "Yousef")],
     [("الحمادي", "Alhammadi"), ("المنصوري", "Almansoori"), ("الكعبي", "Alkaabi")]),
]

DEPARTMENTS = ["Quality", "R&D", "Finance", "Sales", "IT", "Legal", "Filling line 3", "Human Resources", "Logistics", "Büro des Vorstands"]
TITLES = ["Engineer", "Analyst", "Team lead", "Technician", "Accountant", "Buyer", "Planner", "Counsel", "Director", "Chargé d'affaires"]
ROLES = [("org.admin", "Org Admin"), ("org.reader", "Org Reader"), ("billing", "Billing")]
FOLD = str.maketrans({
    "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "oe", "Ø": "Oe", "ł": "l", "Ł": "L", "ı": "i", "Đ": "D", "đ": "d", "’": "", "'": "", " ": "",
})


def latin(name):
    return name[1] if isinstance(name, tuple) else name


def shown(name):
    return name[0] if isinstance(name, tuple) else name


def ascii_name(text):
    import unicodedata
    text = unicodedata.normalize("NFD", text.translate(FOLD))
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in ".-")).lower()


def phone(dice, prefix):
    return "%s 555 %04d" % (prefix, dice.roll(10000))


def make_user(dice, index, taken, ids):
    code, country, city, region, postal, street, prefix, language, givens, surnames = dice.pick(PLACES)
    given, surname = dice.pick(givens), dice.pick(surnames)
    nick = ascii_name(latin(given) + "." + latin(surname))
    number = 1
    while nick in taken:
        number += 1
        nick = ascii_name(latin(given) + "." + latin(surname)) + str(number)
    taken.add(nick)
    house = str(1 + dice.roll(180))
    upn = "%s@%s" % (nick, DOMAIN)
    user = {
        "objectId": dice.guid(),
        "userPrincipalName": upn,
        "mail": upn,
        "mailNickname": nick,
        "displayName": "%s %s" % (shown(given), shown(surname)),
        "givenName": shown(given),
        "surname": shown(surname),
        "jobTitle": dice.pick(TITLES),
        "department": dice.pick(DEPARTMENTS),
        "companyName": dice.pick(["Contoso Beverages", "Contoso Beverages", "Fabrikam GmbH & Co. KG", "Tailspin \"Toys\" B.V."]),
        "employeeId": "%06d" % (100000 + index),
        "employeeType": dice.pick(["Employee", "Employee", "Employee", "Contractor"]),
        "usageLocation": code,
        "country": country,
        "city": city,
        "state": region,
        "streetAddress": street.format("", house),
        "postalCode": postal.format("%02d" % dice.roll(100), house, dice.roll(10)) if postal else None,
        "physicalDeliveryOfficeName": "%s/%d" % (dice.pick("ABC"), 100 + dice.roll(300)),
        "preferredLanguage": language,
        "telephoneNumber": phone(dice, prefix),
        "mobile": phone(dice, prefix.split()[0] + " 600"),
        "facsimileTelephoneNumber": phone(dice, prefix) if dice.one_in(9) else None,
        "accountEnabled": True,
        "IsSoftDeleted": False,
        "userType": "Member",
        "proxyAddresses": ["SMTP:" + upn, "smtp:%s@mail.%s" % (nick, DOMAIN)],
    }
    if ids:
        user["manager"] = ids[dice.roll(min(len(ids), 60))]
    if dice.one_in(3):
        role = dice.pick(ROLES)
        user["appRoleAssignments"] = [{"id": dice.guid(), "value": role[0], "displayName": role[1]}]
    if dice.one_in(4):
        user["extensionAttribute1"] = dice.pick(["20240115", "blue;green", "PermissionSetOne, PermissionSetTwo", " padded ", "0"])

    # What real directories are like.
    if dice.one_in(16):
        user["mail"] = None
        user["proxyAddresses"] = []
    elif dice.one_in(25):
        user["mail"] = ""
    elif dice.one_in(12):
        user["mail"] = user["mail"].title()
    if dice.one_in(20):
        user["accountEnabled"], user["IsSoftDeleted"] = False, True
    if dice.one_in(6):
        user["IsSoftDeleted"] = "True" if user["IsSoftDeleted"] else "False"
    elif dice.one_in(60):
        del user["IsSoftDeleted"]
    if dice.one_in(15):
        user["displayName"] = "%s, %s" % (shown(surname), shown(given))
    if dice.one_in(40):
        user["givenName"] = user["givenName"].upper()
        user["surname"] = user["surname"].upper()
    if dice.one_in(50):
        user["displayName"] += " "
    if dice.one_in(30):
        user["surname"] = None
    for name in ("jobTitle", "mobile", "telephoneNumber", "preferredLanguage", "physicalDeliveryOfficeName", "streetAddress"):
        if dice.one_in(11):
            del user[name]
        elif dice.one_in(14):
            user[name] = None
    for name in ("department", "employeeId", "companyName"):
        if dice.one_in(25):
            user[name] = dice.pick([None, ""])
    if dice.one_in(20):
        user["proxyAddresses"] = user["proxyAddresses"][:1] * 2
    return user


def special_users(users):
    """Cases that chance would not make; each takes the place of one user."""
    users[7]["displayName"] = "Saoirse 🦊 O'Connell"
    users[11].update(givenName=None, surname=None, displayName="Scan to mail", userPrincipalName="svc.scan@" + DOMAIN, mailNickname="svc.scan",
                     mail=None, proxyAddresses=[], jobTitle=None)
    users[11].pop("manager", None)
    users[19].update(userPrincipalName="ines_fabrikam.example#EXT#@contoso.onmicrosoft.example", userType="Guest", mail="ines@fabrikam.example")
    users[23] = {name: users[23][name] for name in ("objectId", "userPrincipalName")}
    users[29].update(givenName="Jean-Baptiste  Emmanuel", surname="de la Croix-Ångström", displayName="Jean-Baptiste  Emmanuel de la Croix-Ångström")
    users[31].update(givenName="", surname="Sukarno", displayName="Sukarno")
    users[37]["displayName"] = "Zoe\u0308 Kuipers"                     # e and a combining diaeresis
    users[41]["streetAddress"] = "Hof 2\r\nHinterhaus\t3. Stock"
    users[43]["department"] = "Sales, \"North\"\\South"
    users[47]["appRoleAssignments"] = [{"id": "0e9f0000-0000-4000-a000-00000000000%d" % n, "value": value, "displayName": name}
                                       for n, (value, name) in enumerate(ROLES)]
    users[53]["IsSoftDeleted"] = None


def make_groups(dice, users):
    names = ["All staff"] + ["Dept " + name for name in DEPARTMENTS] + ["Site " + place[2] for place in PLACES]
    names += ["acme-admins", "acme-employees", "Ops: on call", "Équipe “R&D”", "研究開発", "VPN users", "Nobody yet", "app_prod users",
              "Board", "Works council", "First aid", "Fire wardens", "Parking", "Book club", "Release managers"]
    groups = []
    for name in names[:GROUPS]:
        if name == "All staff":
            members = [user for user in users if user.get("userType") == "Member"]
        elif name.startswith("Dept "):
            members = [user for user in users if user.get("department") == name[5:]]
        elif name.startswith("Site "):
            members = [user for user in users if user.get("city") == name[5:]]
        elif name == "Nobody yet":
            members = []
        else:
            members = [user for user in users if dice.one_in(60)]
        group = {
            "objectId": dice.guid(),
            "displayName": name,
            "description": dice.pick([None, "", "Kept by the directory team"]),
            "mailEnabled": False,
            "securityEnabled": True,
            "mailNickname": ascii_name(name) or "group",
            "members": [{"value": user["objectId"]} for user in members],
        }
        if name == "Board":
            del group["members"]
        groups.append(group)
    return groups


def day(dice, year, span):
    return "%04d-%02d-%02d" % (year + dice.roll(span), 1 + dice.roll(12), 1 + dice.roll(28))


def make_worker(dice, index):
    code, _, city, _, postal, street, prefix, _, givens, surnames = dice.pick(PLACES)
    given, surname = latin(dice.pick(givens)), latin(dice.pick(surnames))
    if dice.one_in(3):
        given, surname = given.upper(), surname.upper()
    digits = phone(dice, prefix)
    worker = {
        "WorkerID": "%05d" % (20001 + index),
        "Active": "0" if dice.one_in(10) else "1",
        "PreferredFirstName": given + (" " if dice.one_in(12) else ""),
        "PreferredLastName": surname,
        "BusinessTitle": dice.pick(TITLES),
        "SupervisoryOrganization": dice.pick(DEPARTMENTS),
        "Company": "Contoso Beverages",
        "EmployeeType": dice.pick(["Regular", "Regular", "Fixed Term", "Contingent Worker", "Intern"]),
        "CountryReferenceTwoLetter": code.lower() if dice.one_in(8) else code,
        "Municipality": city,
        "PostalCode": postal.format("%02d" % dice.roll(100), "", dice.roll(10)) if postal else None,
        "AddressLineData": street.format("", 1 + dice.roll(99)) + ("\nBack door" if dice.one_in(6) else ""),
        "PrimaryWorkTelephone": digits.replace(" ", " (", 1).replace(" 555", ") 555-") if dice.one_in(2) else digits,
        "WorkMobile": dice.pick([None, "", "n/a", phone(dice, prefix.split()[0] + " 600")]),
        "StatusHireDate": day(dice, 2015, 12),
        "ContractEndDate": None,
        "ManagerReference": "%05d" % (20001 + dice.roll(5)),
        "CostCenter": "%s%02d-%s" % (code, dice.roll(60), dice.pick(["Filling", "Office", "Field"])),
    }
    if worker["EmployeeType"] != "Regular":
        worker["ContractEndDate"] = day(dice, 2026, 3)
    if dice.one_in(4):
        worker["MiddleName"] = latin(dice.pick(givens))
    for name in ("StatusHireDate", "CostCenter", "PrimaryWorkTelephone", "EmployeeType", "BusinessTitle"):
        if dice.one_in(14):
            del worker[name]
        elif dice.one_in(20):
            worker[name] = dice.pick([None, ""])
    if index == 49:
        worker["EmployeeType"] = "Applicant"
    return worker


def lines(records, escaped_every=0):
    out = []
    for index, record in enumerate(records):
        escape = bool(escaped_every) and index % escaped_every == 7       # some lines hold \uXXXX in place of the letters
        out.append(json.dumps(record, ensure_ascii=escape) + "\n")
    return "".join(out)


def table(users):
    columns = ["objectId", "userPrincipalName", "mail", "displayName", "givenName", "surname", "jobTitle", "department", "country", "employeeId",
               "IsSoftDeleted"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for user in users[:CSV_ROWS]:
        cells = [user.get(column) for column in columns]
        writer.writerow(["" if cell is None else str(cell) for cell in cells])
    return out.getvalue()


def main():
    dice, taken, users = Dice(20260101), set(), []
    for index in range(USERS):
        users.append(make_user(dice, index, taken, [user["objectId"] for user in users[:60]]))
    special_users(users)
    files = {
        "users.jsonl": lines(users, escaped_every=100),
        "users.csv": table(users),
        "groups.jsonl": lines(make_groups(dice, users)),
        "workers.jsonl": lines([make_worker(dice, index) for index in range(WORKERS)]),
    }
    stale = 0
    for name, text in files.items():
        path, data = HERE / name, text.encode("utf-8")
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_bytes() != data:
                print(name, "is not what make_users.py writes")
                stale = 1
        else:
            path.write_bytes(data)
    return stale


if __name__ == "__main__":
    sys.exit(main())
