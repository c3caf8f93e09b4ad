// What stands around a student's program in MicroPython: it runs the program, then calls, and tells
// what came of it as JSON. The program is in a room of its own: it sees neither this nor what is
// expected, and what it does to Python's builtins changes nothing here.
//
// step(kind, text, name) with kind "program" (run the text, under this file name), "named" (is there a
// function of this name?) or "call" (the value of this expression) gives JSON: null where there is
// nothing to tell, true or false, {value}, {shown} for a value that is not plain, {raised: {type,
// message, traceback}}, the same with {ended: "syntax"}, or {ended: "memory"}.
//
// PLAIN is the text of cnnlib/exercises/plain.py.

export const HARNESS = `
def made():
    import builtins, io, json, sys

    dumps, print_exception, StringIO = json.dumps, sys.print_exception, io.StringIO
    compile_, exec_, eval_, import_ = compile, exec, eval, builtins.__import__
    callable_, len_, type_, str_ = callable, len, type, str
    Any, End, Import = BaseException, EOFError, ImportError
    Memory, Syntax = MemoryError, SyntaxError
    own = {name: getattr(builtins, name) for name in dir(builtins)}
    exec_(compile_(PLAIN, "plain.py", "exec"), own)
    plain, NotPlain = own["plain"], own["NotPlain"]
    room = {"__name__": "__main__"}
    closed = ("js", "jsffi", "asyncio", "_asyncio", "uctypes")

    def guarded(name, *rest):
        if name.split(".")[0] in closed:
            raise Import("no module named '" + name + "'")
        return import_(name, *rest)

    def nobody(*asked):
        raise End("EOF when reading a line")

    builtins.__import__, builtins.input = guarded, nobody

    def raised(error):
        text, message = StringIO(), ""
        try:
            print_exception(error, text)
            message = str_(error)[:1000]
        except Memory:
            raise
        except Any: # the program's own __str__ has failed
            pass
        traceback = text.getvalue()
        if len_(traceback) > 20000:
            traceback = traceback[:10000] + traceback[-10000:]
        return {"type": type_(error).__name__, "message": message, "traceback": traceback}

    def done(kind, text, name):
        if kind == "named":
            return callable_(room.get(name))
        if kind == "program":
            try:
                code = compile_(text, name, "exec")
            except Syntax as error:
                return {"ended": "syntax", "raised": raised(error)}
            exec_(code, room)
            return None
        value = eval_(compile_(text, name, "eval"), room)
        try:
            return {"value": plain(value)}
        except NotPlain as error:
            return {"shown": str_(error)}

    def step(kind, text, name):
        try:
            try:
                return dumps(done(kind, text, name))
            except Memory:
                raise
            except Any as error:
                return dumps({"raised": raised(error)})
        except Any:  # there was no room to tell what was raised
            return '{"ended": "memory"}'

    return step

step = made()
`;
