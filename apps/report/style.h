// The style and the script of a page: no font, picture or file from elsewhere.
//
// Colours follow those of Okabe and Ito, which people with any colour vision can distinguish: darker on light pages and
// lighter on dark ones for contrast. The script shows the values of a chart next to the pointer, or with the arrow keys
// of a chart that has the focus, and opens folded parts before the page is printed. Without it everything is still
// there.
#pragma once

#include "apps/report/html.h"

namespace attune::html {

Code page_style();
Code page_script();

}  // namespace attune::html
