"""House sales of King County, Washington (the county assessor's sales, as published for 2014 and 2015).

The rows are sales, not listings: 177 houses appear twice because they were sold again. So the key is the house and the
day, the house is the parcel number, and a row is a Closed listing whose price is the price it closed at. The same file
may be read as homes for sale, to have a believable market to try searches on.
"""

from __future__ import annotations

from dataclasses import replace

from app.domain.listings.imports.mapping import Column, FileMapping

_HOUSE = (
    Column("id", "parcel_number"),
    Column("bedrooms", "bedrooms_total"),
    Column("bathrooms", "baths_equivalent"),  # 2.25 is two full and a quarter: the assessor counts as we do
    Column("sqft_living", "living_area"),
    Column("sqft_lot", "lot_size_square_feet"),
    Column("floors", "stories_total"),
    Column("waterfront", "waterfront_yn"),
    Column("yr_built", "year_built"),
    Column("zipcode", "postal_code"),
    Column("lat", "latitude"),
    Column("long", "longitude"),
)
_PLACE = {"property_type": "Residential", "county_or_parish": "King", "state_or_province": "WA"}

SALES = FileMapping(
    name="king_county",
    title="King County sales",
    about="House sales as Closed listings; a house sold twice is two listings of one parcel.",
    columns=(
        Column("price", "close_price"),
        Column("price", "list_price"),
        Column("date", "close_date"),
        *_HOUSE,
    ),
    key=("id", "date"),
    constants={"standard_status": "Closed", **_PLACE},
)

FOR_SALE = replace(
    SALES,
    name="king_county_for_sale",
    title="King County sales, read as homes for sale",
    about="The same file, each row an Active listing at the price it sold for: a market to try searches on.",
    columns=(Column("price", "list_price"), *_HOUSE),
    constants={"standard_status": "Active", **_PLACE},
)
