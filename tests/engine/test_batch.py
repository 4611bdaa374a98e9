"""Whoever is generating is read together, and nobody's text shows it."""

import gc
import random
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gpt.engine import batch as module
from gpt.engine.batch import Batch, Request, batch_of
from gpt.engine.compiled_pass import Text
from gpt.engine.fair_share import FairShare
from gpt.engine.packed_model import packed_model
from gpt.engine.precision import PRECISIONS
from gpt.engine.text_reader import text_reader
from gpt.generation import Settings, generate, next_token_table, steps_after
from gpt.sampling import Sampling

from .tiny import IDS, a_model, by_modules, needs_library, read, same

pytestmark = needs_library

# Different lengths, settings and seeds; some go past the context of 40.
PEOPLE = [
    {"ids": IDS[:1], "max_new_tokens": 20, "seed": 1},
    {"ids": IDS[:5], "max_new_tokens": 30, "temperature": 0},
    {"ids": IDS, "max_new_tokens": 40, "seed": 2, "top_k": 0, "top_p": 0.9},
    {"ids": IDS * 2, "max_new_tokens": 10, "seed": 3, "temperature": 1.5},
    {"ids": IDS * 3, "max_new_tokens": 12, "seed": 4},
    {"ids": IDS[3:9], "max_new_tokens": 25, "seed": 5, "top_k": 3},
    {"ids": IDS[::-1], "max_new_tokens": 15, "seed": 2**40},
    {"ids": IDS[2:4], "max_new_tokens": 1},
]


@pytest.fixture
def passes(monkeypatch):
    """How many texts each pass reads."""
    sizes, read_pieces = [], module.read_pieces

    def noted(packed, pieces, room):
        sizes.append(len(pieces))
        return read_pieces(packed, pieces, room)

    monkeypatch.setattr(module, "read_pieces", noted)
    return sizes


@pytest.mark.parametrize("precision", PRECISIONS)
def test_eight_people_at_once_get_the_texts_they_get_alone(precision, passes):
    model = a_model(precision)
    alone = [list(generate(model, **person)) for person in PEOPLE]
    assert set(passes) == {1}
    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda person: list(generate(model, **person)), PEOPLE))
        for found, expected in zip(together, alone, strict=True):
            assert found == expected
            assert all(torch.equal(a.hidden, b.hidden) for a, b in zip(found, expected, strict=True))
    assert max(passes) > 2


@pytest.mark.parametrize("seed", range(3))
def test_people_join_and_leave_at_any_token(seed, passes):
    model, pick = a_model(), random.Random(seed)
    alone = [list(generate(model, **person)) for person in PEOPLE]
    plans = [(person, pick.random() / 50, pick.randint(1, 40), pick.random() < 0.5) for person in range(8)]

    def write(plan):
        person, delay, n, is_closed = plan
        time.sleep(delay)
        steps = generate(model, **PEOPLE[person])
        found = [step for step, _ in zip(steps, range(n), strict=False)]
        if is_closed:
            steps.close()
        return found

    for _ in range(3):  # on a busy machine they may miss one another once
        with ThreadPoolExecutor(8) as pool:
            for (person, *_), found in zip(plans, pool.map(write, plans), strict=True):
                assert found == alone[person][: len(found)]
                assert found
    assert max(passes) > 1


def test_a_long_prompt_is_read_in_pieces_between_the_tokens_of_others(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_BESIDE_OTHERS", 0)  # as few rows at a time as there are
    monkeypatch.setattr(module, "_PATIENCE", 1e5)  # a token is drawn in far longer than so small a model takes
    model = a_model(context_length=400)
    prompt = (IDS * 30)[:300]
    expected = read(model, prompt)
    came, found = [], []

    def write():
        for _ in generate(model, IDS, 200, temperature=0):
            came.append(bool(found))

    def ask():
        reader = text_reader(model, 300)
        while len(came) < 5:
            time.sleep(0.0005)
        before = len(came)
        answer = reader.read(prompt)
        found.append((answer, len(came) - before))
        reader.close()

    threads = [threading.Thread(target=each) for each in (write, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((answer, meanwhile),) = found
    assert same(answer, expected)
    assert meanwhile >= 20  # of 25 pieces of 12 tokens


# Errors


def test_an_error_of_one_is_nobody_elses():
    model = a_model()
    alone = [list(generate(model, **person)) for person in PEOPLE]

    def write(person):
        if person % 2 == 0:
            return list(generate(model, **PEOPLE[person]))
        reader = text_reader(model, 10)
        reader.read([1])
        for wrong in ([101], [], list(range(20)), [-1]) * 5:
            with pytest.raises(ValueError, match="token"):
                reader.read(wrong)
        reader.close()
        return None

    with ThreadPoolExecutor(8) as pool:
        for person, found in enumerate(pool.map(write, range(8))):
            assert found is None or found == alone[person]


def test_a_pass_that_fails_fails_for_those_in_it_and_the_next_one_works(monkeypatch):
    model = a_model()
    expected = list(generate(model, IDS, 6))
    read_pieces = module.read_pieces

    def out_of_memory(*_):
        monkeypatch.setattr(module, "read_pieces", read_pieces)
        raise MemoryError

    monkeypatch.setattr(module, "read_pieces", out_of_memory)
    with pytest.raises(MemoryError):
        list(generate(model, IDS, 6))
    assert list(generate(model, IDS, 6)) == expected


class Failing(FairShare):
    def __init__(self, at):
        super().__init__()
        self.at = at

    def order(self, waiting):
        if self.at == "order":
            raise RuntimeError("no order")
        return super().order(waiting)

    def spent(self, *_):
        if self.at == "spent":
            raise RuntimeError("no account")


@pytest.mark.parametrize("at", ["order", "spent"])
def test_a_rule_that_fails_leaves_nothing_behind(at, monkeypatch):
    model = a_model()
    expected = list(generate(model, IDS, 6))
    with monkeypatch.context() as patch:
        patch.setattr(module, "RULE", Failing(at))
        with pytest.raises(RuntimeError, match="no "):
            list(generate(model, IDS, 6))
    batch = batch_of(packed_model(model))
    assert batch._waiting == []
    assert not batch._is_led
    assert list(generate(model, IDS, 6)) == expected


# Who is next


def a_request(packed, n, since, client=None):
    return Request(Text(packed, 600), [1] * n, client, since)


def test_who_has_had_less_of_the_machine_is_read_first():
    packed, batch = packed_model(a_model(context_length=600)), Batch()
    module.RULE.spent("has had much", 100.0)
    batch._waiting = [a_request(packed, 300, 0.0, "has had much"), a_request(packed, 300, 1.0, "a newcomer")]
    assert [request.client for request, _ in batch._choose()] == ["a newcomer"]


@pytest.fixture
def waiting():
    """A function that says what a batch chooses of requests for so many tokens each."""
    packed = packed_model(a_model(context_length=600))

    def choose(*sizes, row_seconds=0.0, lately=0):
        batch = Batch()
        batch._row_seconds = row_seconds
        batch._lately = {Text(packed, 10) for _ in range(lately)}
        batch._waiting = [a_request(packed, n, float(place)) for place, n in enumerate(sizes)]
        return [n for _, n in batch._choose()]

    return choose


def test_how_much_of_a_prompt_is_read_at_once(waiting):
    assert waiting(1) == [1]
    assert waiting(300) == [300]
    assert waiting(600) == [512]
    assert waiting(300, 1) == [12, 1]
    assert waiting(300, lately=1) == [12]  # somebody is drawing a token
    assert waiting(300, 1, row_seconds=0.001) == [60, 1]
    assert waiting(300, 1, row_seconds=1.0) == [12, 1]
    assert waiting(600, 1, row_seconds=1e-6) == [512, 1]
    assert waiting(300, 1, 200, 1) == [12, 1, 1]  # the second prompt waits for the first
    assert waiting(5, 300, 1) == [5, 7, 1]
    assert waiting(*[1] * 40) == [1] * 32


def test_a_prompt_waits_for_a_writer_who_has_had_less():
    packed, batch = packed_model(a_model(context_length=600)), Batch()
    batch._waiting = [a_request(packed, 300, 0.0, "reads"), a_request(packed, 1, 1.0, "writes")]
    module.RULE.order(batch._waiting)  # both are known, and level
    module.RULE.spent("reads", 1.0)
    assert [request.client for request, _ in batch._choose()] == ["writes"]
    module.RULE.spent("writes", 2.0)
    assert [request.client for request, _ in batch._choose()] == ["reads", "writes"]


def test_ones_own_text_does_not_hold_up_ones_own_prompt():
    packed, batch = packed_model(a_model(context_length=600)), Batch()
    batch._waiting = [a_request(packed, 1, 0.0, "one"), a_request(packed, 300, 1.0, "one")]
    assert [n for _, n in batch._choose()] == [1, 12]


class Recording(FairShare):
    """The last one first, and an account."""

    def __init__(self):
        self.asked, self.seconds = [], {}

    def order(self, waiting):
        self.asked.append(len(waiting))
        return sorted(waiting, key=lambda request: -request.since)

    def spent(self, client, seconds):
        self.seconds[client] = self.seconds.get(client, 0) + seconds


def test_another_rule_is_asked_and_told_the_seconds_of_each(monkeypatch):
    rule, model = Recording(), a_model()
    monkeypatch.setattr(module, "RULE", rule)
    alone = [list(generate(model, **person)) for person in PEOPLE]
    rule.asked.clear()
    rule.seconds.clear()

    def write(person):
        settings = dict(PEOPLE[person])
        ids, n, seed = settings.pop("ids"), settings.pop("max_new_tokens"), settings.pop("seed", 123)
        return list(steps_after(model, ids, Settings(n, Sampling(**settings), seed), client=person % 3))

    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(8))) == alone
    assert rule.asked
    assert set(rule.seconds) == {0, 1, 2}
    assert all(seconds > 0 for seconds in rule.seconds.values())
    assert sum(rule.seconds.values()) <= time.monotonic() - start


def test_the_seconds_of_a_pass_are_shared_by_its_tokens(monkeypatch):
    rule, batch, packed = Recording(), Batch(), packed_model(a_model())
    monkeypatch.setattr(module, "RULE", rule)
    batch._waiting = [a_request(packed, 9, 0.0, "a"), a_request(packed, 3, 1.0, "b")]
    batch._run_pass()
    assert rule.seconds["a"] == pytest.approx(3 * rule.seconds["b"])
    assert sum(rule.seconds.values()) == pytest.approx(batch._pass_seconds)
    assert batch._row_seconds == pytest.approx(batch._pass_seconds / 12)
    assert batch._waiting == []


# Waiting for those of the last pass


def begun(model, n=3):
    steps = generate(model, IDS, 30)
    for _ in range(n):
        next(steps)
    return steps


def test_a_closed_generator_is_not_waited_for():
    model = a_model()
    steps, other = begun(model), begun(model, 0)
    batch = batch_of(packed_model(model))
    batch._pass_seconds = 100.0
    steps.close()
    start = time.monotonic()
    next(other)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("ending", ["its last token", "a stop token", "let go", "a table"])
def test_nobody_is_waited_for_who_has_ended(ending):
    model = a_model()
    if ending == "its last token":
        list(generate(model, IDS, 3))
    elif ending == "a stop token":
        whole = [step.token_id for step in generate(model, IDS, 10)]
        list(generate(model, IDS, 10, stop_id=whole[4]))
    elif ending == "let go":
        begun(model)
        gc.collect()
    else:
        next_token_table(model, IDS)
    assert batch_of(packed_model(model))._lately == set()


def test_one_who_is_drawing_is_waited_for_a_moment_and_no_longer():
    model = a_model()
    steps, other = begun(model), begun(model, 0)
    batch = batch_of(packed_model(model))
    batch._pass_seconds = 1.0
    start = time.monotonic()
    next(other)
    assert 0.3 < time.monotonic() - start < 30
    steps.close()


def test_leaving_ends_the_waiting_of_others():
    model = a_model()
    steps, other = begun(model), begun(model, 0)
    batch_of(packed_model(model))._pass_seconds = 100.0
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(next, other)
        time.sleep(0.1)
        assert not answer.done()
        steps.close()
        assert answer.result(timeout=30)


def test_two_models_have_nothing_to_do_with_each_other():
    first, second = a_model(seed=1), a_model(seed=2)
    assert batch_of(packed_model(first)) is batch_of(packed_model(first))
    assert batch_of(packed_model(first)) is not batch_of(packed_model(second))
    expected = [list(generate(model, IDS, 15)) for model in (first, second)] * 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda model: list(generate(model, IDS, 15)), [first, second] * 4)) == expected


def test_a_model_that_was_read_is_let_go_when_nobody_holds_it():
    model = a_model()
    list(generate(model, IDS, 3))
    begun(model).close()
    packed = weakref.ref(packed_model(model))
    del model
    gc.collect()
    assert packed() is None


def test_a_new_snapshot_forms_a_batch_of_its_own_beside_the_texts_of_the_old_one():
    model = a_model()
    expected = list(generate(model, IDS, 10))
    steps = generate(model, IDS, 10)
    found = [next(steps)]
    model.final_norm.scale.mul_(1.5)
    for _ in range(9):
        list(generate(model, IDS, 2))
        found.append(next(steps))
    assert found == expected
    assert read(model, IDS)[1].tolist() == pytest.approx(by_modules(model, IDS)[1].tolist(), abs=1e-3)
