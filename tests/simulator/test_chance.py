from readiness.simulator.chance import draws, stream


def test_draws_are_the_same_for_the_same_question() -> None:
    assert draws(1, "m", ["a", "b"], 0).random() == draws(1, "m", ["a", "b"], 0).random()


def test_draws_differ_by_seed_model_texts_and_nonce() -> None:
    asked = [
        (1, "m", ["ab"], 0),
        (2, "m", ["ab"], 0),
        (1, "n", ["ab"], 0),
        (1, "m", ["a", "b"], 0),
        (1, "m", ["ab"], 1),
    ]
    assert len({draws(*each).random() for each in asked}) == len(asked)


def test_draws_take_text_that_is_not_valid_unicode() -> None:
    assert draws(0, "m", ["\ud800"], 0).random() < 1


def test_stream_restarts_from_its_seed() -> None:
    assert stream(7).random() == stream(7).random() != stream(8).random()
