"""Why this token: accounts of a logit, parts switched off, what heads do, tokens replaced, states swapped."""
