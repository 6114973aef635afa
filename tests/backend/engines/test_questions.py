"""What is answered to which question, on scenes whose truth is known."""

from __future__ import annotations

import pytest

from backend.engines.pixels.answers import NEEDS_MODEL, answer_question
from backend.engines.pixels.description import LABEL, describe
from backend.engines.pixels.land_cover import Cover
from backend.engines.pixels.measurements import measure
from tests.backend.engines import drawn

LAKE = "itaipu_reservoir"
"""Vegetation 43%, water 39%, bare ground 8%, built-up 4%."""
CITY = "foz_do_iguacu_city"
"""Built-up 37%, vegetation 35%, water 14%."""
DESERT = "nile_red_sea"
"""Bare ground 80%, water 18%."""
STORM = "hurricane_miriam"
"""Cloud 57%, ocean 35%."""
FOREST = "yellowstone_road"
"""Vegetation 51%, shadow 31%, road 7%, no water."""


def ask(scene: str, question: str) -> str:
    return answer_question(question, drawn.measured_scene(scene))


@pytest.mark.parametrize(
    ("scene", "question", "beginning"),
    [
        # Presence, in many words.
        (LAKE, "Is there water?", "Yes."),
        (LAKE, "is there any WATER in this image", "Yes."),
        (LAKE, "Is there any wather visable?", "Yes."),
        (LAKE, "Can you see vegetation in the picture?", "Yes."),
        (LAKE, "Does the scene contain vegatation?", "Yes."),
        (LAKE, "Are there plants?", "Yes."),
        (LAKE, "Is there a river in this image?", "Probably."),
        (LAKE, "Are there any lakes or rivers?", "Probably."),
        (LAKE, "Are trees present?", "Probably."),
        (CITY, "Are there buildings?", "Probably."),
        (CITY, "Is there built-up area in the image?", "Yes."),
        (CITY, "Any roads?", "Probably."),
        (DESERT, "Is there bare soil?", "Yes."),
        (DESERT, "Is there sand visible?", "Probably."),
        (DESERT, "Are there any buildings?", "No."),
        (STORM, "Are there clouds?", "Probably."),
        (STORM, "Is there snow?", "Possibly."),
        (STORM, "Is there water?", "Probably."),
        (FOREST, "Is there water?", "No."),
        (FOREST, "Are there any rivers or lakes?", "No."),
        (FOREST, "Are there clouds?", "No."),
        (FOREST, "Are there shadows?", "Probably."),
        (LAKE, "Is there water and vegetation?", "Yes."),
        (FOREST, "Is there water and vegetation?", "No."),
        (FOREST, "Is there water or vegetation?", "Yes."),
        # Negation says what is the case, whatever yes or no mean to the reader.
        (LAKE, "Isn't there any water?", "Yes, there is water."),
        (LAKE, "Is there no water?", "No, there is water."),
        (LAKE, "So, is there any water?", "Yes."),
        (FOREST, "Is there no water?", "Yes, there is no water."),
        (STORM, "Is the image free of clouds?", "Probably not, there is cloud or snow."),
        (LAKE, "Is the image cloud-free?", "Yes, there is no"),
        (LAKE, "Is it not urban?", "No, it is rural."),
        (CITY, "Isn't it urban?", "Yes, it is urban."),
        # What the whole scene is takes more than a little of it.
        (LAKE, "Is this a desert?", "No."),
        (DESERT, "Is this a desert?", "Probably."),
        (LAKE, "Is most of the image covered by water?", "No."),
        (DESERT, "Is the scene mostly bare ground?", "Yes."),
        (LAKE, "Is more than 30% of the image water?", "Yes."),
        (LAKE, "Does water cover more than 50 percent of the image?", "No."),
        (LAKE, "Does water cover less than 50 percent of the image?", "Yes."),
        # Comparison and ranking.
        (LAKE, "Is there more water than vegetation?", "No."),
        (LAKE, "Is there less water than vegetation?", "Yes."),
        (DESERT, "Is there more sand than water?", "Yes."),
        (LAKE, "Which is larger, water or vegetation?", "There is more vegetation than water."),
        (LAKE, "Compare water and bare ground.", "There is more water than bare ground."),
        (LAKE, "What is the main land cover in this image?", "Vegetation."),
        (DESERT, "What type of land cover dominates?", "Bare or dry ground."),
        (CITY, "What is the dominant land use?", "Built-up or paved surface."),
        (STORM, "What covers most of the image?", "Cloud or snow."),
        (LAKE, "Is water the dominant land cover?", "No."),
        (DESERT, "Water or desert?", "Bare ground."),
        # Multiple choice.
        (LAKE, "What is largest? A) water B) forest C) desert", "B) forest."),
        (DESERT, "Which covers most?\nA. water\nB. desert\nC. forest", "B) desert."),
        (CITY, "The scene is (a) rural (b) urban", "B) urban."),
        # Rural or urban.
        (LAKE, "Is this a rural or an urban area?", "Rural."),
        (CITY, "Urban or rural?", "Urban."),
        (CITY, "Is it a rural area?", "No, it is urban."),
        (FOREST, "Is the area urban?", "No, it is rural."),
        (STORM, "Is it a rural or an urban area?", "That cannot be told."),
        # The picture itself.
        (LAKE, "Is the image dark?", "No, it is of medium brightness."),
        (LAKE, "How many bright objects are there?", "8."),
        (FOREST, "Are there straight lines?", "Yes."),
        (LAKE, "Is there any turquoise?", "Yes."),
        (LAKE, "Is there any purple?", "No."),
    ],
)
def test_an_answer_begins_with_what_was_asked(scene: str, question: str, beginning: str) -> None:
    answer = ask(scene, question)

    assert answer.startswith(beginning), answer
    assert LABEL in answer


@pytest.mark.parametrize(
    ("scene", "question", "statement"),
    [
        (LAKE, "How much of the image is vegetation?", "vegetation covers about 43% of the image"),
        (LAKE, "What percentage of the image is covered by water?", "water covers about 39% of the image"),
        (LAKE, "What is the share of vegitation?", "vegetation covers about 43%"),
        (LAKE, "What proportion is no data?", "about 2% of the frame holds no data"),
        (LAKE, "How large is the lake?", "how large that is on the ground is not known"),
        (LAKE, "What is the ratio of water to vegetation?", "water covers about 39% of the image; vegetation covers"),
        (FOREST, "How much water is there?", "water covers under 1% of the image"),
        (FOREST, "Is there water?", "about 31% is dark and bluish, but lies like shadow"),
        (LAKE, "Is there a river?", "what kind of water it is, colour and texture do not tell"),
        (LAKE, "What colours are in the image?", "turquoise (about 51%)"),
        (LAKE, "What is the dominant color?", "turquoise"),
        (LAKE, "How bright is the picture?", "of medium brightness"),
        (LAKE, "How large is the image?", "800 x 800 pixels"),
        (DESERT, "What is the resolution?", "780 x 600 pixels"),
        (DESERT, "What is the width of the image in pixels?", "780 x 600 pixels"),
        (DESERT, "How smooth is the texture?", "the texture is smooth"),
        (LAKE, "vegetation", "vegetation covers about 43%"),
    ],
)
def test_an_answer_states_what_was_measured(scene: str, question: str, statement: str) -> None:
    assert statement in ask(scene, question)


@pytest.mark.parametrize(
    "question",
    [
        "How many ships are visible in this harbor?",
        "What is the purpose of this building?",
        "Is there an airport?",
        "How many houses are there?",
        "How many trees are in the image?",
        "Where is the river?",
        "Is there a train?",
        "How many drivers are there?",
        "Are there horses or planes by the water?",
        "Is the water clean?",
        "Is the river navigable?",
        "What kind of trees are these?",
        "Which river is this?",
        "Why is there so much water?",
        "Are the crops healthy?",
        "Are there planes on the runway?",
        "Is the building tall and dangerous?",
        "Which country is this?",
        "Hello",
        "Which is it? A) harbour B) airport",
        "¿Hay agua?",
    ],
)
def test_what_pixels_do_not_tell_needs_the_model(question: str) -> None:
    answer = ask(LAKE, question)

    assert answer.startswith(NEEDS_MODEL), answer
    assert all(name in answer for name in ("CAPTION_BASE_URL", "VQA_BASE_URL", "UPSTREAM_BASE_URL"))


def test_a_count_of_ships_gets_the_bright_objects_but_not_the_name() -> None:
    answer = answer_question("How many ships are there?", measure(drawn.encoded(drawn.harbour(7))))

    assert "7 compact bright objects stand out, on water; whether they are ships needs the model." in answer


@pytest.mark.parametrize("question", ["How many bright spots are on the water?", "How many compact bright objects?"])
def test_bright_objects_are_counted_wherever_they_lie(question: str) -> None:
    assert answer_question(question, measure(drawn.encoded(drawn.harbour(7)))).startswith("7.")


def test_objects_without_a_name_get_the_bright_ones_with_the_reference_to_the_model() -> None:
    assert "8 compact bright objects stand out" in ask(LAKE, "How many objects are there?")


def test_a_question_about_a_class_gets_its_share_with_the_reference_to_the_model() -> None:
    assert "water covers about 39% of the image" in ask(LAKE, "Is the water clean?")


@pytest.mark.parametrize(
    "request_text",
    [
        "",
        "  ",
        "Describe this satellite image in detail.",
        "What do you see?",
        "What is in this image?",
        "Write a caption",
    ],
)
def test_a_request_for_a_description_gets_one(request_text: str) -> None:
    assert ask(LAKE, request_text) == describe(drawn.measured_scene(LAKE))


def test_a_request_for_a_description_with_more_gets_told_what_is_missing() -> None:
    answer = ask(LAKE, "Describe the infrastructure and count the vehicles.")

    assert answer.startswith(describe(drawn.measured_scene(LAKE)))
    assert "What else is asked for needs the vision-language model" in answer


@pytest.mark.parametrize("scene", [LAKE, CITY, DESERT, STORM, FOREST, "salt_lake_ponds", "yellowstone_meadow"])
def test_a_description_is_labelled_prose_of_two_to_five_sentences(scene: str) -> None:
    text = describe(drawn.measured_scene(scene))

    assert text.startswith(LABEL)
    assert 2 <= text.count(". ") + 1 <= 5
    assert text.endswith(".")
    assert "  " not in text


@pytest.mark.parametrize(
    "word", ["ship", "plane", "airport", "house", "river", "lake", "car", "ocean", "tree", "field", "hurricane"]
)
def test_a_description_names_no_object(word: str) -> None:
    for scene in (LAKE, CITY, DESERT, STORM, FOREST):
        assert word not in describe(drawn.measured_scene(scene)).lower()


def test_a_false_colour_picture_is_said_to_be_one() -> None:
    text = describe(measure(drawn.encoded(drawn.side_by_side((200, 40, 45), (12, 14, 40)))))

    assert "false colour" in text


@pytest.mark.parametrize("question", ["Is there water?", "More water than vegetation?", "What is the main land cover?"])
def test_of_a_greyscale_picture_no_land_cover_is_told(question: str) -> None:
    grey = drawn.encoded(drawn.side_by_side((90, 90, 90), (160, 160, 160)))

    assert "no colour" in answer_question(question, measure(grey))


def test_of_a_picture_without_data_only_the_size_is_told() -> None:
    empty = measure(drawn.encoded(drawn.flat((0, 0, 0, 0), 90, 60)))

    assert "holds no data" in answer_question("Is there water?", empty)
    assert "holds no data" in answer_question("", empty)
    assert "90 x 60 pixels" in answer_question("What is the size?", empty)


def test_of_a_picture_of_one_colour_no_more_than_the_colour_is_certain() -> None:
    blue = measure(drawn.encoded(drawn.flat((10, 60, 140))))

    assert blue.share(Cover.WATER) == 1
    assert answer_question("Is there water?", blue).startswith("Probably.")
    assert "one even dark blue" in answer_question("", blue)
