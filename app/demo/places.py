"""A stretch of coast that does not exist: towns, streets, names. All invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Town:
    """Where homes are: its centre, how far it spreads (degrees), what a square foot costs, how many homes it gets."""

    city: str
    county_or_parish: str
    postal_codes: tuple[str, ...]
    subdivisions: tuple[str, ...]
    latitude: float
    longitude: float
    spread: float
    price_per_foot: int
    weight: int


TOWNS = (
    Town(
        "Port Ellery",
        "Ellery",
        ("04910", "04911", "04912"),
        ("Old Harbor", "Alder Glen", "Battery Walk", "Customs Quarter"),
        43.712,
        -69.884,
        0.035,
        232,
        24,
    ),
    Town(
        "Quarry Hill",
        "Ellery",
        ("04913",),
        ("Quarry Hill", "Orchard Hill", "Granite Row"),
        43.746,
        -69.921,
        0.025,
        205,
        14,
    ),
    Town(
        "Marsh Landing",
        "Ellery",
        ("04914",),
        ("Heron Bluff", "Tidewater Reach", "Osprey Landing"),
        43.671,
        -69.842,
        0.03,
        221,
        12,
    ),
    Town("St. Brendan", "Ellery", ("04915",), ("Lantern Way", "Cooper's Yard"), 43.732, -69.806, 0.025, 214, 10),
    Town(
        "Wexcombe",
        "Averill",
        ("04920", "04921"),
        ("Mill Terrace", "Weir Side", "Upper Wexcombe"),
        43.812,
        -69.987,
        0.03,
        178,
        9,
    ),
    Town("Northfold", "Averill", ("04922",), ("Foundry Park", "Northfold Green"), 43.868, -69.951, 0.03, 163, 7),
    Town("Gull Harbor", "Ellery", ("04916",), ("Breakwater", "Gull Point"), 43.628, -69.79, 0.02, 258, 6),
    Town("Aldwater", "Averill", ("04923",), ("Aldwater Common", "Priory Fields"), 43.781, -70.052, 0.03, 171, 5),
    Town("Penny Cove", "Sorrel", ("04930",), ("Penny Cove", "Schooner Lane"), 43.581, -69.932, 0.02, 244, 5),
    Town("Hollin Bridge", "Sorrel", ("04931",), ("Bridge End", "Hollin Woods"), 43.604, -70.014, 0.03, 168, 4),
    Town("Tamsin Falls", "Averill", ("04924",), ("Falls View",), 43.902, -70.038, 0.03, 149, 2),
    Town("Lower Sorrel", "Sorrel", ("04932",), ("Sorrel Meadows", "Chapel Rise"), 43.551, -70.061, 0.03, 157, 2),
)

STREETS = (
    "Alder Court", "Anchor Street", "Battery Walk", "Beacon Lane", "Birch Hollow", "Breakwater Road", "Captain's Row",
    "Chandlery Row", "Chapel Rise", "Chestnut Street", "Cooper Street", "Custom House Lane", "Fiddler Creek Road",
    "Foundry Street", "Garrison Avenue", "Granite Street", "Harbor View Avenue", "Hawthorn Close", "Heron Bluff Drive",
    "Hollyhock Lane", "Juniper Way", "Kettle Street", "Lantern Way", "Larch Road", "Magnolia Rise", "Maple Street",
    "Meadow Lark Lane", "Mill Road", "Mooring Street", "Old Mill Terrace", "Orchard Hill Road", "Osprey Landing",
    "Pilot House Court", "Pine Ridge Road", "Pond Street", "Quarry Lane", "Quince Court", "Rope Walk",
    "Ropemaker Lane", "Rowan Street", "Saltmeadow Close", "Schooner Lane", "Sexton Street", "Shipwright Street",
    "Spruce Street", "Sycamore Drive", "Thistle Lane", "Tidewater Reach", "Union Street", "Weaver's Yard",
    "Weir Road", "Wharf Street", "Willow Bend", "Wren Hollow",
)  # fmt: skip

FIRST_NAMES = (
    "Amelia", "Noah", "Wei", "Miriam", "Jonah", "Tess", "Leah", "Omar", "Ingrid", "Rosa", "Owen", "Hana", "Victor",
    "Greta", "Paul", "Nadia", "Carmen", "Peter", "Sofia", "Ben", "Grant", "Lucia", "Arjun", "Maeve", "Tomas", "Yuki",
    "Elif", "Dmitri", "Chloe", "Samuel", "Fatima", "Henrik", "Isabel", "Kwame", "Naomi", "Rafael", "Saoirse", "Theo",
    "Uma", "Vera", "Walter", "Ximena", "Yusuf", "Zora", "Aisha", "Bruno", "Clara", "Desmond", "Esther", "Felix",
    "Gloria", "Hugo", "Irene", "Jasper", "Keiko", "Liam", "Marta", "Nils", "Olive", "Priscilla", "Quentin", "Ruben",
)  # fmt: skip

LAST_NAMES = (
    "Carter", "Chen", "Okafor", "Feld", "Brandt", "Haddad", "Solberg", "Lindgren", "Prescott", "Sato", "Amadi", "Holm",
    "Reyes", "Petrov", "Ruiz", "Lang", "Delgado", "Aldous", "Ellison", "Moretti", "Nair", "Kavanagh", "Novak", "Tanaka",
    "Demir", "Volkov", "Martin", "Osei", "Rahman", "Eriksen", "Castro", "Mensah", "Goldberg", "Silva", "Byrne",
    "Papadakis", "Rao", "Larsen", "Whitaker", "Mendoza", "Farouk", "Diallo", "Costa", "Weber", "Grant", "Abrams",
    "Fontaine", "Hughes", "Ibarra", "Jansen", "Kowalski", "Lowell", "Marsh", "Nguyen", "Orwell", "Pike", "Quigley",
    "Rosen", "Sandoval", "Thorne",
)  # fmt: skip

AGENTS = (
    "Dana Whitlock", "Marcus Oyelaran", "Priya Raman", "Elena Sorokin", "Tom Baird", "Joon Park", "Hannah Lund",
    "Gabriel Nunes", "Ruth Adeyemi", "Simon Hale", "Colette Marchand", "Imran Sheikh",
)  # fmt: skip

FIRMS = (
    ("Millrace Homes", "(555) 555-0162"),
    ("Coastline Brokers", "(555) 555-0139"),
    ("Aldwater & Daughters", "(555) 555-0184"),
    ("Northfold Property", "(555) 555-0171"),
)

REMARKS = (
    "Light from three sides, a kitchen that was redone with care, and a garden that asks for little.",
    "A quiet street, ten minutes' walk from the harbor; the porch catches the evening.",
    "Original floors, new roof, and a workshop with its own door.",
    "Open plan below, three calm rooms above, and storage where you want it.",
    "Stone front, slate roof, and a view of the water between the rooftops.",
    "Well kept by one family for thirty years; bring your own ideas for the kitchen.",
    "Corner lot with mature trees, fenced, and a shed that has power.",
    "Sunny, efficient, and close to the ferry. The association covers snow and roof.",
)
