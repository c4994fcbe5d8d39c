"""Tokens of the clouds, by plain HTTP: no SDK, no command.

`logins` say what is wanted, `issuer` gets it from the cloud (`aws`, `google`, `entra`), `keeper` has it
renewed before it expires.
"""
