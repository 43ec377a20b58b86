"""From printed text to machine code, for kernels and for the executor alike.

In: a module of restricted Python (`language`) and the words that it may use. Out: addresses of
native functions, from a cache on disk that is private, verified and bounded (`objects`, `atomic`,
`cache_size`; `bundle` takes it along in files), made by LLVM on threads (`generator`) where a fork
cannot see half of it (`making`), with a word to who waits long (`progress`). Begin with `language`.

Imports: errors.
"""
