"""Constants that only people see."""

Shown = int
"""Type of a constant that only says how much is shown, such as the names that a receipt lists; no cell is remade for it
(normal_form.py). What anything is computed from must not be one."""
