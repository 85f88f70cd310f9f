"""The errors a person can mend. Each names the thing and says what would do; the command line prints it as one line."""


class Refused(ValueError):
    """A request that cannot be honoured as it stands.

    Args:
        what: what is wrong, naming the field or the file.
        remedy: what would do.
        field: the request's field, where there is one.
    """

    def __init__(self, what: str, remedy: str = "", field: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what, self.remedy, self.field = what, remedy, field
