#pragma once

// What Hugging Face's tokenizers learn from examples/data/harbour.txt, and how they encode.
// Made by make_byte_pairs.py; do not edit.

#include <string>
#include <vector>

// clang-format off
namespace unroll::golden {

inline constexpr std::size_t byte_pair_size = 600;
inline const std::vector<std::string> byte_pair_merges{
    "h e", "\304\240 t", "\304\240 a", "\304\240t he", "\304\240 w", "\304\240 s", "n d", "\304\240 i", "\304\240 o",
    "h a", "\304\240a nd", "r e", "\304\240 b", "o u", "\304\240w a", "l l", "i n", "\304\240 l", "\304\240 c",
    "\304\240i t", "\304\240 f", "e r", "\304\240 he", "i d", "\304\240wa s", "\304\240 ha", "\304\240s a", "e d",
    "e n", "\304\240t o", "\304\240 I", "\304\240 d", "\304\240 m", "o w", "t h", "in g", "\304\240 n", "\304\240 T",
    "\304\240o n", "o o", "\304\240i n", "ha t", "\304\240 p", "m e", "\304\240o f", "\304\240w i", "\304\240 g",
    "o r", "h i", "a r", "\304\240sa id", "o n", "\304\240 r", "u t", "o t", "\304\240b e", "a n", "\304\240T he",
    "\304\240 y", "s t", "\304\240t hat", ". \042", "a t", "\304\240he r", "\304\240wi th", ", \042",
    "\304\240 \042", "g h", "l d", "\304\240ha d", "\304\240s t", "e ll", "\304\240 H", "\304\240 S", "\304\240 u",
    "\304\240s he", "\304\240y ou", "v e", "\304\240 e", "l e", "\304\240 hi", "\304\240the re", "gh t", "he r",
    "\304\240I t", "v er", "o me", "\304\240 N", "\304\240a t", "e s", "\304\240f or", "\304\240l i", "' s",
    "\304\240w e", "\304\240a s", "\304\240i s", "t er", "oo k", "\304\240c a", "\304\240t h", "o m", "c k", "en t",
    "\304\240H e", "\304\240N ell", "T he", "k e", "a y", "c e", "i t", "a d", "\304\240n ot", "\304\240s e",
    "\304\240S he", "s e", "\304\240hi s", "a m", "ou ld", "\304\240u p", "ow n", "\304\240o ut", "\304\240 h",
    "\304\240f r", "\304\240b o", "i ght", "\304\240 A", "\304\240on e", "\304\240a n", "\304\240n o", "o p",
    "\304\240l e", "l a", "\304\240 k", "\304\240ha ve", "\304\240the y", "\304\240l ook", "\304\240w he", "ou nd",
    "on g", "c h", "r a", "' t", "\304\240d id", "\304\240k n", "\304\240d own", "\304\240ca me", "th ing", "l y",
    "n t", "id e", "\304\240fr om", "i r", "u r", "\304\240wa ll", "\304\240the m", "\304\240the n", "on e",
    "\304\240w ent", "\304\240n e", "\077 \042", "I t", "\304\240we re", "\304\240 B", "a st", "\304\240s h",
    "\304\240 M", "\304\240t w", "b o", "e t", "\304\240bo at", "i l", "\304\240to o", "b ou", "\304\240w r",
    "\304\240s ome", "oo d", "a s", "\304\240ha nd", "at her", "v en", "\304\240r ound", "\304\240o ver",
    "\304\240li ke", "Y ou", "d y", "h o", "\304\240s o", "\304\240A nd", "\304\240look ed", "\304\240The re",
    "bo dy", "J or", "a in", "Jor y", "\304\240a ll", "\304\240c ould", "\304\240sa y", "\304\240g o", "f t",
    "\304\240 re", "ver y", "\304\240d o", "\304\240m an", "\304\240c ome", "a ll", "\304\240 Jory", "\304\240l ong",
    "\304\240ha r", "\304\240m e", "\304\240B ut", "r ow", "\304\240w ho", "\304\240p ut", "\304\240se e", "ra nd",
    "e p", "\304\240t i", "\304\240b r", "\304\240c an", "ot her", "\304\240be en", "\304\240The y", "i s", "i ll",
    "\304\240a re", "am p", "\304\240whe re", "o b", "\304\240l amp", "\304\240wi nd", "\304\240g re",
    "\304\240hi m", "f ather", "g e", "\304\240a l", "\304\240c ou", "\304\240tw o", "\304\240too k", "rand father",
    "p ed", "\304\240w hi", "\304\240s p", "\304\240m o", "it e", "i as", "\304\240c o", "er s", "ur n", "ob ias",
    "e l", "\304\240 P", "\304\240 W", "u ll", "\304\240a g", "\304\240w hat", "\304\240s m", "\304\240b y",
    "\304\240wa ter", "ar row", "\304\240t hi", "\304\240s ide", "nd er", "in e", "\304\240he ar", "\304\240be ll",
    "\304\240an y", "\304\240 F", "\304\240t urn", "ou ght", "\304\240g randfather", "s s", "\304\240 L",
    "\304\240b a", "\304\240u nder", "\304\240kn ow", "u n", "\304\240t a", "\304\240i f", "\304\240p a",
    "\304\240ag ain", "H e", "\304\240T obias", "oo r", "ar s", "\304\240st ood", "\304\240e nd", "\304\240b ook",
    "\304\240whe n", "\304\240M r", "q u", "r y", "t her", "\304\240y e", "\304\240S am", "S he", "k ed", "u st",
    "\304\240 You", "\304\240 qu", "re d", "\304\240p la", "\304\240of f", "\304\240The n", "bou t", "\304\240ba ck",
    "a nd", "l f", "\304\240s l", "\304\240o ld", "\304\240on ly", "bou r", "\304\240ti me", "\304\240cou nt",
    "\304\240sm all", "m b", "p en", "t e", "\304\240a bout", "ou gh", "\304\240ha s", "oo th", "\304\240r op",
    "\304\240har bour", "T hat", "f ter", "i g", "w ay", "\304\240w ould", "\304\240o ther", "The y",
    "\304\240wind ow", "' ll", "O n", "i ce", "l o", "t y", "u nd", "\304\240 C", "ou t", "\304\240sa t",
    "\304\240d oor", "\304\240r ight", "\304\240st op", "N ell",
};

struct BytePairSample {
  std::string text;
  std::vector<std::string> pieces;
  std::vector<int> ids;
};
inline const std::vector<BytePairSample> byte_pair_samples{
  {std::string("The ferry was late, and Nell's box wasn't there. It'll come; they're sure, I'd say we've 'moored'.", 98),
   {
    std::string("The", 3), std::string(" ferry", 6), std::string(" was", 4), std::string(" late", 5),
    std::string(",", 1), std::string(" and", 4), std::string(" Nell", 5), std::string("'s", 2),
    std::string(" box", 4), std::string(" wasn", 5), std::string("'t", 2), std::string(" there", 6),
    std::string(".", 1), std::string(" It", 3), std::string("'ll", 3), std::string(" come", 5), std::string(";", 1),
    std::string(" they", 5), std::string("'re", 3), std::string(" sure", 5), std::string(",", 1),
    std::string(" I", 2), std::string("'d", 2), std::string(" say", 4), std::string(" we", 3), std::string("'ve", 3),
    std::string(" '", 2), std::string("moored", 6), std::string("'.", 2),},
   {
    361, 276, 277, 546, 280, 273, 318, 68, 11, 266, 360, 348, 379, 87, 280, 77, 397, 337, 13, 340, 587, 459, 26, 390,
    6, 267, 261, 84, 267, 11, 286, 6, 67, 452, 349, 6, 333, 220, 6, 76, 295, 555, 6, 13,}},
  {std::string("  two blanks,\011one tab\012\012  and   then\015\012 3.14 kg \342\200\224 1,000\302\240% of \302\275 \342\205\247 \342\200\203x", 73),
   {
    std::string(" ", 1), std::string(" two", 4), std::string(" blanks", 7), std::string(",", 1),
    std::string("\011", 1), std::string("one", 3), std::string(" tab", 4), std::string("\012\012 ", 3),
    std::string(" and", 4), std::string("  ", 2), std::string(" then", 5), std::string("\015\012", 2),
    std::string(" 3", 2), std::string(".", 1), std::string("14", 2), std::string(" kg", 3),
    std::string(" \342\200\224", 4), std::string(" 1", 2), std::string(",", 1), std::string("000", 3),
    std::string("\302\240", 2), std::string("%", 1), std::string(" of", 3), std::string(" \302\275", 3),
    std::string(" \342\205\247", 4), std::string(" ", 1), std::string("\342\200\203", 3), std::string("x", 1),},
   {
    220, 492, 268, 75, 312, 74, 82, 11, 197, 412, 532, 65, 198, 198, 220, 266, 220, 220, 411, 201, 198, 220, 18, 13,
    16, 19, 388, 70, 220, 158, 222, 242, 220, 16, 11, 15, 15, 15, 126, 254, 4, 300, 220, 126, 121, 220, 158, 227,
    100, 220, 158, 222, 225, 87,}},
  {std::string("Ein M\303\244dchen, na\303\257ve cafe\314\201, \320\237\321\200\320\270\320\262\320\265\321\202 \320\274\320\270\321\200, \346\235\261\344\272\254\343\202\277\343\203\257\343\203\274, \331\205\330\261\330\255\330\250\330\247, \340\244\271\340\244\277\340\244\250\340\245\215\340\244\246\340\245\200, \360\237\221\250\342\200\215\360\237\221\251\342\200\215\360\237\221\247!! ", 120),
   {
    std::string("Ein", 3), std::string(" M\303\244dchen", 9), std::string(",", 1), std::string(" na\303\257ve", 7),
    std::string(" cafe", 5), std::string("\314\201,", 3),
    std::string(" \320\237\321\200\320\270\320\262\320\265\321\202", 13),
    std::string(" \320\274\320\270\321\200", 7), std::string(",", 1),
    std::string(" \346\235\261\344\272\254\343\202\277\343\203\257\343\203\274", 16), std::string(",", 1),
    std::string(" \331\205\330\261\330\255\330\250\330\247", 11), std::string(",", 1),
    std::string(" \340\244\271", 4), std::string("\340\244\277", 3), std::string("\340\244\250", 3),
    std::string("\340\245\215", 3), std::string("\340\244\246", 3), std::string("\340\245\200,", 4),
    std::string(" \360\237\221\250\342\200\215\360\237\221\251\342\200\215\360\237\221\247!!", 21),
    std::string(" ", 1),},
   {
    36, 272, 421, 127, 97, 67, 66, 256, 77, 11, 292, 64, 127, 107, 333, 354, 69, 68, 136, 223, 11, 220, 140, 253,
    141, 222, 140, 116, 140, 110, 140, 113, 141, 224, 220, 140, 120, 140, 116, 141, 222, 11, 220, 162, 251, 109, 160,
    118, 105, 159, 224, 123, 159, 225, 107, 159, 225, 120, 11, 220, 149, 227, 148, 109, 148, 255, 148, 101, 148, 100,
    11, 220, 156, 97, 117, 156, 97, 123, 156, 97, 101, 156, 98, 235, 156, 97, 99, 156, 98, 222, 11, 220, 172, 253,
    239, 101, 158, 222, 235, 172, 253, 239, 102, 158, 222, 235, 172, 253, 239, 100, 0, 0, 220,}},
  {std::string("don'T DON'S 'sixty'll'd'' s", 27),
   {
    std::string("don", 3), std::string("'", 1), std::string("T", 1), std::string(" DON", 4), std::string("'", 1),
    std::string("S", 1), std::string(" '", 2), std::string("sixty", 5), std::string("'ll", 3), std::string("'d", 2),
    std::string("''", 2), std::string(" s", 2),},
   {
    67, 307, 6, 51, 220, 35, 46, 45, 6, 50, 220, 6, 82, 72, 87, 591, 587, 6, 67, 6, 6, 261,}},
  {std::string("a\302\205b\342\200\250c\343\200\200 d \342\200\213 e\034f\000g\177", 24),
   {
    std::string("a", 1), std::string("\302\205", 2), std::string("b", 1), std::string("\342\200\250", 3),
    std::string("c", 1), std::string("\343\200\200", 3), std::string(" d", 2), std::string(" \342\200\213", 4),
    std::string(" e", 2), std::string("\034", 1), std::string("f", 1), std::string("\000", 1), std::string("g", 1),
    std::string("\177", 1),},
   {
    64, 126, 227, 65, 158, 222, 101, 66, 159, 222, 222, 287, 220, 158, 222, 233, 334, 216, 69, 188, 70, 221,}},
  {std::string("   ", 3),
   {
    std::string("   ", 3),},
   {
    220, 220, 220,}},
  {std::string("\012", 1),
   {
    std::string("\012", 1),},
   {
    198,}},
  {std::string(" x", 2),
   {
    std::string(" x", 2),},
   {
    220, 87,}},
  {std::string("aaaaaaaaaa bbbbbbb", 18),
   {
    std::string("aaaaaaaaaa", 10), std::string(" bbbbbbb", 8),},
   {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 268, 65, 65, 65, 65, 65, 65,}},
};

}  // namespace unroll::golden
// clang-format on
