"""gpt/model.py as the map reads it: its definitions, and what each line names."""

from gpt.recording.model_source import definitions, function_at, lines


def functions() -> dict:
    return {function.name: function for each in definitions().values() for function in each.functions}


def test_every_class_of_the_chapter_is_found_with_its_own_lines():
    for name in ("LayerNorm", "GELU", "FeedForward", "MultiHeadAttention", "TransformerBlock", "GPTModel"):
        assert lines()[definitions()[name].first - 1].startswith(f"class {name}(nn.Module):")
        assert not "".join(lines()[definitions()[name].last : definitions()[name].last + 1])


def test_a_function_is_found_by_the_line_that_python_tells():
    code = __import__("gpt.model").model.MultiHeadAttention.split_heads.__code__
    function = function_at(code.co_firstlineno)
    assert function is not None and function.name == "MultiHeadAttention.split_heads"
    assert function.arguments == ("self", "qkv")


def test_each_line_names_what_it_gives_a_value():
    statements = functions()["LayerNorm.forward"].statements
    named = [statement.names for statement in dict.fromkeys(statements.values())]
    assert named == [(), (), ("mean",), ("var",), ("norm_x",), ()]
    split = functions()["MultiHeadAttention.split_heads"].statements
    assert ("queries", "keys", "values") in [statement.names for statement in split.values()]


def test_a_statement_with_a_body_takes_its_first_lines_only():
    statements = functions()["GPTModel.hidden"].statements
    (loop,) = {each for each in statements.values() if lines()[each.first - 1].strip().startswith("for block")}
    assert loop.first == loop.last
    assert statements[loop.first + 1].names == ("x",)
