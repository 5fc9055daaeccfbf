"""The contract with agents: the files they write, safe ways to read them, and our answers.

Import the module you need: ``problem``, ``safe_files``, ``bounded_json``, ``atomic``,
``canonical``, ``environment`` and ``exit_status`` need only the standard library; the models
(``progress``, ``request``, ``answer``, ``checkpoint``, ``exit_record``, ``schemas``) load pydantic.
"""
